"""Running an experiment of the catalogue with the recorder attached."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..dynamics.errors import SettingError
from ..dynamics.experiments.experiment import Experiment
from ..dynamics.training.evaluation import evaluation_of
from ..dynamics.training.loop import Model, Training, build_model
from .attaching import attach
from .hindsight import look_back, numbers_of
from .model.parameters import parameter_places
from .model.sources import Sources
from .resuming.branch import Branch
from .resuming.taking import check_pace, checkpoint_bytes
from .ring.channels import row_bytes
from .schedule.steps import parse_schedule
from .schedule.trigger import Trigger
from .text import readable
from .writing.budget import check_budget, least_every, parse_bytes
from .writing.cost import Price

# What a small file has in chunks that are not full.
_CHUNKS = 2 * 10**6


def record_experiment(
    experiment: Experiment,
    path: str | os.PathLike[str],
    *,
    every: Any = None,
    select: str | Sequence[str] | None = None,
    labels: Mapping[str, Sequence[str]] | None = None,
    overwrite: bool = False,
    checkpoint_every: int | None = None,
    branch: Branch | None = None,
    progress: Callable[[Iterable[Tensor]], Iterable[Tensor]] = iter,
) -> Path:
    """Train *experiment*, record it into *path* and return that path.

    Besides the parameters, the minibatch loss and the features, each row gets expected_loss, the population loss at its
    parameters, and what else the experiment evaluates. For an ensemble these are means over its members, and the probes
    loss_of_instance, expected_loss_of_instance … hold the members' own, (T, instances). *every* None is the
    experiment's own choice. *labels* are names of the features, as attach() takes them. *checkpoint_every* keeps
    checkpoints, and *branch* goes on from one of another recording, which config then names. *progress* wraps the
    steps, such as tqdm. Raises what attach() raises.
    """
    training = Training(experiment)
    first = 0 if branch is None else branch.begin(training)
    origin = {} if branch is None else {"branched_from": branch.origin}
    latest = torch.full((experiment.n_instances or 1,), torch.nan, device=experiment.device)
    with (
        one_thread(),
        attach(
            training.model,
            training.optimizer,
            path,
            every=experiment.every if every is None else every,
            select=select,
            features=_features(training.model, select),
            labels=labels,
            probes={"loss_of_instance": lambda _: latest} if experiment.n_instances else None,
            config={"experiment": experiment.as_dict(), **origin},
            overwrite=overwrite,
            checkpoint_every=checkpoint_every,
            # The expected loss is computed by this process.
            writer="inline",
        ) as recorder,
    ):
        recorder.count_from(first)
        if checkpoint_every is not None:
            recorder.keep(training.generator)
        if _has_all_parameters(training.model, select):
            evaluation = evaluation_of(experiment)(experiment)
            of_members = _with_means if experiment.n_instances else dict
            recorder.derive(lambda rows: of_members(evaluation(rows)), estimate=evaluation.description)
        try:
            for loss in progress(training):
                recorder.log(loss=loss.mean())
                latest.copy_(loss)
        finally:
            # The final row has no minibatch.
            latest.fill_(torch.nan)
    if _has_all_parameters(training.model, select):
        look_back(recorder.path, experiment)
    return recorder.path


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep torch to one thread: a toy step is too short to share, and a sum's rounding depends on how it is split."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def price(
    experiment: Experiment,
    path: str | os.PathLike[str],
    *,
    every: Any = None,
    select: Any = None,
    labels: Mapping[str, Sequence[str]] | None = None,
    checkpoint_every: int | None = None,
    branch: Branch | None = None,
) -> Price:
    """Return what recording *experiment* into *path* would take, without training anything."""
    model = build_model(experiment)
    members = experiment.n_instances or 0
    # For an ensemble each member's minibatch loss (float32), and of what is evaluated the mean and each one (float64).
    evaluated = 0
    if _has_all_parameters(model, select):
        evaluated = 8 * ((1 + members) * evaluation_of(experiment).numbers + numbers_of(experiment))
    sources = Sources(model, select, _features(model, select), {}, labels)
    per_row = row_bytes(sources.channels) + 4 * members + evaluated
    schedule = parse_schedule(experiment.every if every is None else every)
    is_least = isinstance(schedule, Trigger)
    first = 0 if branch is None else branch.checkpoint.step
    # Both numbers have a final row; that of the piece before is none of a branch.
    rows = schedule.expected_rows(experiment.steps) - (schedule.expected_rows(first) - 1)
    if checkpoint_every is None:
        return Price.of(per_row, rows, Path(path), is_least=is_least)
    check_pace(checkpoint_every)
    # The model and two moments of each parameter; beside the file until it is closed.
    each = checkpoint_bytes(model, [torch.optim.Adam(model.parameters())])
    kept = each * (1 + -(-experiment.steps // checkpoint_every) - first // checkpoint_every)
    return Price.of(per_row, rows, Path(path), is_least=is_least, checkpoints_bytes=kept)


def every_within(
    experiment: Experiment, path: str | os.PathLike[str], budget: str, *, every: Any = None, **options: Any
) -> int:
    """Return which steps to record so that it takes at most a *budget* such as "2 GB"; options: as for price().

    Raises SettingError for a budget in which there is no room, or beside an *every*.
    """
    check_budget(budget, experiment.steps, 1 if every is None else every)

    def size(every: int) -> int:
        return price(experiment, path, every=every, **options).total_bytes + _CHUNKS

    found = least_every(parse_bytes(budget), experiment.steps, size)
    if found is None:
        raise SettingError(
            f"budget={budget!r} has no room for the first and the last row; a file has at least {readable(size(10**9))}"
        )
    return found


def _features(model: Model, select: Any) -> dict[str, Any]:
    """Return which axis of which recorded parameter holds features."""
    recorded = parameter_places(model, select)
    return {name: axis for name, axis in model.feature_axes.items() if name in recorded}


def _has_all_parameters(model: Model, select: Any) -> bool:
    return dict(model.named_parameters()).keys() <= parameter_places(model, select).keys()


def _with_means(measures: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return (T,) measures as they are, and of (T, instances) the mean and, under another name, each one."""
    ensembles = {name: values for name, values in measures.items() if values.ndim > 1}
    means = {name: values.mean(axis=1) for name, values in ensembles.items()}
    # One name, two places: a number a row is a scalar, the members' own are a probe.
    return {**measures, **means, **{f"{name}_of_instance": values for name, values in ensembles.items()}}
