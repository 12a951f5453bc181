"""Running an experiment of the catalogue with the recorder attached."""

import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from ..dynamics.evaluation import PopulationLoss
from ..dynamics.experiments import Experiment
from ..dynamics.training import Training, build_model
from .channels import parameter_channels, row_bytes
from .hooks import attach


@dataclass(frozen=True)
class Price:
    """What a recording will take: bytes a row, rows, bytes in all, and the bytes free on its disk."""

    bytes_per_row: int
    rows: int
    total_bytes: int
    free_bytes: int

    @property
    def fits(self) -> bool:
        """Whether the disk has room for it."""
        return self.total_bytes <= self.free_bytes

    def __str__(self) -> str:
        verdict = "fits" if self.fits else "DOES NOT FIT"
        return (
            f"{self.bytes_per_row:,} bytes a row, {self.rows:,} rows, {self.total_bytes / 1e6:,.1f} MB in all; "
            f"{self.free_bytes / 1e9:,.1f} GB free, it {verdict}"
        )


def record_experiment(
    experiment: Experiment,
    path: str | os.PathLike[str],
    *,
    every: int = 1,
    select: str | Sequence[str] | None = None,
    overwrite: bool = False,
    progress: Callable[[Iterable[Tensor]], Iterable[Tensor]] = iter,
) -> Path:
    """Train *experiment*, record it into *path* and return that path.

    Besides W, b, the minibatch loss and the features, each row gets expected_loss, the population loss at its
    parameters. For an ensemble both losses are the mean over its members, and the probe expected_loss holds the
    members' own, (T, instances). *progress* wraps the steps, such as tqdm. Raises what attach() raises.
    """
    training = Training(experiment)
    config = {"experiment": experiment.as_dict()}
    with attach(
        training.model, training.optimizer, path, every=every, select=select, config=config, overwrite=overwrite
    ) as recorder:
        population = PopulationLoss(experiment)
        if {"W", "b"} <= parameter_channels(training.model, select, None).keys():
            recorder.derive(lambda parameters: _expected_loss(population, parameters), estimate=population.description)
        for loss in progress(training):
            recorder.log(loss=loss.mean())
    return recorder.path


def price(experiment: Experiment, path: str | os.PathLike[str], *, every: int = 1, select: Any = None) -> Price:
    """Return what recording *experiment* into *path* would take, without training anything."""
    channels = [channel for _, channel in parameter_channels(build_model(experiment), select, "auto").values()]
    # expected_loss, and for an ensemble each member's own.
    losses = 8 * (1 + (experiment.n_instances or 0))
    per_row = row_bytes(channels) + losses
    rows = -(-experiment.steps // every) + 1
    folder = next(folder for folder in Path(path).absolute().parents if folder.is_dir())
    return Price(per_row, rows, per_row * rows, shutil.disk_usage(folder).free)


def _expected_loss(population: PopulationLoss, parameters: Any) -> dict[str, np.ndarray]:
    loss = population(parameters)
    if loss.ndim == 1:
        return {"expected_loss": loss}
    # One name, two places: a number a row is a scalar, the members' own are a probe.
    return {"expected_loss": loss.mean(axis=1), "expected_loss_of_instance": loss}
