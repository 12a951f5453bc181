"""attach(): hook a recorder to any PyTorch training."""

import json
import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal

from torch import nn
from torch.optim import Optimizer

from ..dynamics.errors import SettingError, unknown_name
from .file.checkpoint_log import CheckpointLog, checkpoint_log_path
from .model.buffers import Buffers
from .model.feature_axes import Features
from .model.labels import Labels
from .model.optimizers import stepping_optimizers
from .model.payments import check_optimizers
from .model.shards import check_sharding, is_recorded_elsewhere, own_file
from .model.sources import Probe, Sources
from .model.summaries import SummaryChoice, check_choice
from .resuming.taking import Keeper, all_checkpoints_bytes, check_pace, checkpoint_bytes
from .ring.channels import row_bytes
from .ring.paths import real
from .ring.ring import Ring
from .schedule.steps import parse_schedule
from .schedule.trigger import Trigger
from .step.gaps import Gaps
from .step.recorder import Recorder, SilentRecorder, close_lost, lost_recorder
from .step.row import Copies
from .writing.budget import Asked
from .writing.cost import log_checkpoints, log_price
from .writing.start import begin
from .writing.undo import remembered
from .writing.writer import WriterKind, choose_writer, start_writer

_LOG = logging.getLogger("dyn")
OnFull = Literal["wait", "skip"]


def attach(
    model: nn.Module,
    optimizer: Optimizer | Sequence[Optimizer] | None,
    path: str | os.PathLike[str],
    *,
    every: int | str | Sequence[tuple[int, int | None, int]] | Trigger = 1,
    select: str | Sequence[str] | None = None,
    features: Features = "auto",
    labels: Labels | None = None,
    probes: Mapping[str, Probe] | None = None,
    config: Mapping[str, Any] | None = None,
    on_error: Literal["warn", "raise"] = "warn",
    overwrite: bool = False,
    resume: bool | int = False,
    writer: WriterKind = "auto",
    on_full: OnFull = "wait",
    gradients: Literal["allocation"] | None = None,
    buffers: Buffers = True,
    checkpoint_every: int | None = None,
    summaries: SummaryChoice = None,
    budget: str | int | None = None,
    steps: int | None = None,
) -> Recorder:
    """Record every step of a training into the file *path*; return the recorder, a context manager.

    Row k holds the state at which loss k and its gradient were computed: the parameters before update k. The first
    row is the initial state, and closing adds the final one. With several optimizers a row is a round: it begins when
    one of them steps that has stepped since the last row began. Without an optimizer, ``recorder.step()`` takes rows.

    every: record each such step; or "log", "log:K" (K rows for each decade of steps), windows [(start, stop, every)],
    or a Trigger, which keeps the dense rows around each sudden drop of the loss. select: one glob or several over the
    qualified names of the parameters; by default all that require a gradient. features: "auto" takes the columns of
    matrices, the rows of embeddings, the columns of convolutions as (out, in · kernel), and in ensembles (modules with
    n_instances, or with biases of two axes beside weights of three) the axis of the biases; a dict {name: "rows" |
    "columns" | None} overrides it. A value may also be an einops pattern that ends in (m, n) or (instances, m, n), with
    the features as columns, "(head d_head) d_model -> head d_head d_model", in a pair (pattern, {"head": 8}) where an
    axis is split. None records no dimensionality. labels: {name: texts}, your own names of the features of a
    parameter, one for each, which all words and pictures take. probes: {name: fn(model)} are your own tensors and
    numbers, sampled with the row. config: whatever describes the run, kept as JSON. on_error: what a full disk or an
    I/O error does: "warn" ends the recording and lets the training go on, "raise" raises. overwrite: replace an
    existing file. resume: append to an existing file after its last step, or from the given step on, whose rows are
    recorded again. writer: "inline" writes between two steps, "process" in a process of its own, "auto" chooses by the
    size of a row. on_full: whether a training whose writer does not keep up waits for it or leaves rows out. buffers:
    record those that ``state_dict()`` has too, such as a batch norm's averages; large ones are taken for constants, as
    masks are, and kept once, unless globs name them; False records none. gradients: "allocation" also records what each
    step brought, to first order, gradient times motion: one number a feature, one for each parameter without features.
    checkpoint_every: at the first step, every K-th and the end keep what it takes to go on, for
    ``recording.resume_into()``: model, optimizers, the states of the random generators, and whatever
    ``recorder.keep()`` is given. summaries: True keeps no parameters but, for each, norms and a sketch in every row and
    its spectrum from time to time, some 50 kB a row however large the model is; see ``recording.summaries``. "auto"
    does so where a row of whole parameters has more than 4 MB. budget, "2 GB", with the number of *steps* chooses
    every, and summaries where whole parameters had room for fewer than 200 rows. What was chosen is logged first.

    Raises SettingError for an argument that cannot be used, for an optimizer whose steps cannot be seen and a model
    whose parameters cannot be reached, OutputExistsError for an existing file, RecordingError where no file can be
    written; in each case nothing on disk has changed. What makes no row is told once, as a warning.
    """
    optimizers = stepping_optimizers(model, optimizer)
    for name, value, known in (("on_error", on_error, ("warn", "raise")), ("on_full", on_full, ("wait", "skip"))):
        if value not in known:
            raise unknown_name(name, value, known)
    if gradients is not None:
        if gradients != "allocation":
            raise unknown_name("gradients", str(gradients), ["allocation"])
        check_optimizers(optimizers)
    # A path is followed once, here.
    file, attributes = real(Path(path)), dict[str, str | int]()
    if is_recorded_elsewhere(model):
        return SilentRecorder(file)
    check_sharding(model, optimizers)
    check_pace(checkpoint_every)
    check_choice(summaries)

    @cache
    def sources_of(with_summaries: bool) -> Sources:
        if with_summaries and gradients is not None:
            raise SettingError("gradients='allocation' takes whole parameters; leave it out, or summaries")
        options = {"with_payments": gradients is not None, "with_summaries": with_summaries}
        return Sources(model, select, features, probes or {}, labels, buffers, **options)

    asked = Asked(every, summaries, budget, steps, partial(all_checkpoints_bytes, model, optimizers, checkpoint_every))
    choice = asked.choose(lambda with_summaries: sources_of(with_summaries).channels)
    sources, schedule = sources_of(choice.with_summaries), parse_schedule(choice.every)
    trigger = schedule if isinstance(schedule, Trigger) else None
    if sources.is_sharded and checkpoint_every is not None:
        raise SettingError("checkpoint_every does not keep shards; torch.distributed.checkpoint does")
    if sources.is_sharded:
        file, attributes = own_file(file)
    attributes["not_recorded"] = json.dumps(sources.not_recorded)
    lost = lost_recorder(file) if overwrite or resume is not False else None
    gaps = Gaps(model, sources.recorded, select, optimizers)
    copies: list[Copies] = []

    def ready(ring: Ring) -> None:
        copies.append((*sources.taps(ring), sources.payments(ring)))
        if lost is not None:
            close_lost(lost)

    # Whatever can fail comes before the file is touched: hooks and arguments by now, then memory and copies.
    with remembered(file, overwrite=overwrite, goes_on=resume is not False) as earlier:
        start = begin(
            file,
            sources.channels,
            attributes=attributes,
            config=_as_json(config),
            kind=choose_writer(writer, sources.channels),
            rates=sum(len(each.param_groups) for each in optimizers),
            least_rows=0 if trigger is None else 2 * trigger.before + _SPARE_ROWS,
            overwrite=overwrite,
            resume=resume,
            is_own=lost is not None,
            constants=sources.constants.values,
            ready=ready,
        )
        with ExitStack() as undo:
            # Nobody records into it, so that the next attempt need not be refused.
            undo.callback(earlier.bring_back)
            undo.callback(start.ring.remove)
            emptier = start_writer(start, trigger, wait=on_full == "wait")
            undo.callback(emptier.abandon)
            if choice.words:
                _LOG.info("%s: %s", file, choice.words)
            price = row_bytes(sources.channels)
            log_price(file, price, schedule)
            keeper = None
            if checkpoint_every is not None:
                log = CheckpointLog(checkpoint_log_path(start.path), start.ring.layout.token)
                keeper = Keeper(checkpoint_every, model, log, step=start.step)
                log_checkpoints(file, checkpoint_bytes(model, optimizers), checkpoint_every)
            recorder = Recorder(
                start,
                copies[0],
                emptier,
                optimizers,
                schedule,
                gaps,
                sources.constants,
                keeper,
                bytes_per_row=price,
                on_error=on_error,
                chosen=choice.words,
            )
            undo.pop_all()
    for channel in sources.channels:
        if guess := channel.attributes.get("guessed"):
            _LOG.info(
                "%s: %s is taken for %s; features={%r: …} says otherwise", file, channel.name, guess, channel.name
            )
    return recorder


# Rows that a trigger may take while those before them wait for its decision.
_SPARE_ROWS = 64


def _as_json(config: Mapping[str, Any] | None) -> str:
    if not isinstance(config or {}, Mapping):
        raise SettingError(f"config={config!r} is no dictionary")
    try:
        return json.dumps(config or {}, default=str)
    except (TypeError, ValueError) as error:
        raise SettingError(f"config={config!r} cannot be kept as JSON: {error}") from error
