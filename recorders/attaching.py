"""attach(): hook a recorder to any PyTorch training."""

import json
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from torch import nn
from torch.optim import Optimizer

from ..dynamics.errors import SettingError, unknown_name
from .model.parameters import Features
from .model.shards import check_sharding, is_recorded_elsewhere, own_file
from .model.sources import Probe, Sources
from .ring.channels import row_bytes
from .schedule.steps import parse_schedule
from .schedule.trigger import Trigger
from .step.recorder import Recorder, SilentRecorder
from .writing.cost import log_price
from .writing.start import begin
from .writing.writer import WriterKind, choose_writer, start_writer

OnFull = Literal["wait", "skip"]


def attach(
    model: nn.Module,
    optimizer: Optimizer | Sequence[Optimizer] | None,
    path: str | os.PathLike[str],
    *,
    every: int | str | Sequence[tuple[int, int | None, int]] | Trigger = 1,
    select: str | Sequence[str] | None = None,
    features: Features = "auto",
    probes: Mapping[str, Probe] | None = None,
    config: Mapping[str, Any] | None = None,
    on_error: Literal["warn", "raise"] = "warn",
    overwrite: bool = False,
    resume: bool | int = False,
    writer: WriterKind = "auto",
    on_full: OnFull = "wait",
) -> Recorder:
    """Record every step of a training into the file *path*; return the recorder, a context manager.

    Row k holds the state at which loss k and its gradient were computed: the parameters before update k. The first
    row is the initial state, and closing adds the final one. With several optimizers a row is a round: it begins when
    one of them steps that has stepped since the last row began. Without an optimizer, ``recorder.step()`` takes rows.

    every: record each such step; or "log", "log:K" (K rows for each decade of steps), windows [(start, stop, every)],
    or a Trigger, which keeps the dense rows around each sudden drop of the loss. select: one glob or several over the
    qualified names of the parameters; by default all that require a gradient. features: "auto" takes the columns of
    matrices and the rows of embeddings; a dict {name: "rows" | "columns" | None} overrides it; None records no
    dimensionality. probes: {name: fn(model)} are your own tensors and numbers, sampled with the row. config: whatever
    describes the run, kept as JSON. on_error: what a full disk or an I/O error does: "warn" ends the recording and lets
    the training go on, "raise" raises. overwrite: replace an existing file. resume: append to an existing file after
    its last step, or from the given step on, whose rows are recorded again. writer: "inline" writes between two steps,
    "process" in a process of its own, "auto" chooses by the size of a row. on_full: whether a training whose writer
    does not keep up waits for it or leaves rows out.

    Raises SettingError for an argument that cannot be used, OutputExistsError for an existing file, RecordingError
    where no file can be written; in each case nothing on disk has changed.
    """
    optimizers = _optimizers(model, optimizer)
    for name, value, known in (("on_error", on_error, ("warn", "raise")), ("on_full", on_full, ("wait", "skip"))):
        if value not in known:
            raise unknown_name(name, value, known)
    schedule = parse_schedule(every)
    trigger = schedule if isinstance(schedule, Trigger) else None
    file, attributes = Path(path).absolute(), {}
    if is_recorded_elsewhere(model):
        return SilentRecorder(file)
    check_sharding(model, optimizers)
    sources = Sources(model, select, features, probes or {})
    if sources.is_sharded:
        file, attributes = own_file(file)
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
    )
    try:
        emptier = start_writer(start, trigger, wait=on_full == "wait")
        price = row_bytes(sources.channels)
        log_price(file, price, schedule)
        return Recorder(
            start, sources.taps(start.ring), emptier, optimizers, schedule, bytes_per_row=price, on_error=on_error
        )
    except BaseException:
        # Nobody records into it, so that the next attempt need not be refused.
        start.ring.remove()
        raise


# Rows that a trigger may take while those before them wait for its decision.
_SPARE_ROWS = 64


def _optimizers(model: nn.Module, given: Optimizer | Sequence[Optimizer] | None) -> list[Optimizer]:
    """Return the optimizers as a list; raises SettingError for what is none."""
    optimizers = [] if given is None else [*given] if isinstance(given, Sequence) else [given]
    if not isinstance(model, nn.Module) or not all(isinstance(each, Optimizer) for each in optimizers):
        shown = f"{type(model).__name__} and {type(given).__name__}"
        raise SettingError(f"attach() takes a torch.nn.Module and a torch.optim.Optimizer, or several, got {shown}")
    held = {id(p) for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]}
    if optimizers and held.isdisjoint(map(id, model.parameters())):
        warnings.warn(
            "attach(): the optimizer steps none of the model's parameters, so that the recording may show no change; "
            "make the optimizer from model.parameters()",
            UserWarning,
            stacklevel=3,
        )
    return optimizers


def _as_json(config: Mapping[str, Any] | None) -> str:
    if not isinstance(config or {}, Mapping):
        raise SettingError(f"config={config!r} is no dictionary")
    try:
        return json.dumps(config or {}, default=str)
    except (TypeError, ValueError) as error:
        raise SettingError(f"config={config!r} cannot be kept as JSON: {error}") from error
