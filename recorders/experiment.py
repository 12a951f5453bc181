"""Running an experiment of the catalogue with the recorder attached."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..dynamics.evaluation import PopulationLoss
from ..dynamics.experiments import Experiment
from ..dynamics.training import Training, build_model
from .channels import row_bytes
from .hooks import attach
from .parameters import parameter_places
from .price import Price
from .schedule import parse_schedule
from .sources import Sources


def record_experiment(
    experiment: Experiment,
    path: str | os.PathLike[str],
    *,
    every: Any = 1,
    select: str | Sequence[str] | None = None,
    overwrite: bool = False,
    progress: Callable[[Iterable[Tensor]], Iterable[Tensor]] = iter,
) -> Path:
    """Train *experiment*, record it into *path* and return that path.

    Besides W, b, the minibatch loss and the features, each row gets expected_loss, the population loss at its
    parameters. For an ensemble both are the mean over its members, and the probes loss_of_instance and
    expected_loss_of_instance hold the members' own, (T, instances). *progress* wraps the steps, such as tqdm. Raises
    what attach() raises.
    """
    training = Training(experiment)
    latest = torch.full((experiment.n_instances or 1,), torch.nan, device=experiment.device)
    with (
        _one_thread(),
        attach(
            training.model,
            training.optimizer,
            path,
            every=every,
            select=select,
            probes={"loss_of_instance": lambda _: latest} if experiment.n_instances else None,
            config={"experiment": experiment.as_dict()},
            overwrite=overwrite,
            # The expected loss is computed by this process.
            writer="inline",
        ) as recorder,
    ):
        population = PopulationLoss(experiment)
        if _has_expected_loss(training.model, select):
            recorder.derive(lambda parameters: _expected_loss(population, parameters), estimate=population.description)
        try:
            for loss in progress(training):
                recorder.log(loss=loss.mean())
                latest.copy_(loss)
        finally:
            # The final row has no minibatch.
            latest.fill_(torch.nan)
    return recorder.path


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep torch to one thread: a toy step is too short to share, and a sum's rounding depends on how it is split."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def price(experiment: Experiment, path: str | os.PathLike[str], *, every: Any = 1, select: Any = None) -> Price:
    """Return what recording *experiment* into *path* would take, without training anything."""
    model = build_model(experiment)
    members = experiment.n_instances or 0
    # For an ensemble each member's minibatch loss (float32), and where it is recorded the expected loss (float64).
    expected = 8 * (1 + members) if _has_expected_loss(model, select) else 0
    per_row = row_bytes(Sources(model, select, "auto", {}).channels) + 4 * members + expected
    return Price.of(per_row, parse_schedule(every).expected_rows(experiment.steps), Path(path))


def _has_expected_loss(model: nn.Module, select: Any) -> bool:
    return {"W", "b"} <= parameter_places(model, select).keys()


def _expected_loss(population: PopulationLoss, parameters: Any) -> dict[str, np.ndarray]:
    loss = population(parameters)
    if loss.ndim == 1:
        return {"expected_loss": loss}
    # One name, two places: a number a row is a scalar, the members' own are a probe.
    return {"expected_loss": loss.mean(axis=1), "expected_loss_of_instance": loss}
