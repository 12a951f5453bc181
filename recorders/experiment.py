"""Running an experiment of the catalogue with the recorder attached."""

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..dynamics.evaluation import PopulationLoss
from ..dynamics.experiments import Experiment
from ..dynamics.training import Training, build_model
from .channels import Channel, parameter_channels, row_bytes
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
            f"{self.bytes_per_row:,} bytes a row, {self.rows:,} rows, {_readable(self.total_bytes)} in all; "
            f"{_readable(self.free_bytes)} free, it {verdict}"
        )


def _readable(size: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:,.1f} TB"


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
        ) as recorder,
    ):
        population = PopulationLoss(experiment)
        if _has_expected_loss(channel for _, channel in parameter_channels(training.model, select, None).values()):
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


def price(experiment: Experiment, path: str | os.PathLike[str], *, every: int = 1, select: Any = None) -> Price:
    """Return what recording *experiment* into *path* would take, without training anything."""
    channels = [channel for _, channel in parameter_channels(build_model(experiment), select, "auto").values()]
    members = experiment.n_instances or 0
    # For an ensemble each member's minibatch loss (float32), and where it is recorded the expected loss (float64).
    expected = 8 * (1 + members) if _has_expected_loss(channels) else 0
    per_row = row_bytes(channels) + 4 * members + expected
    rows = -(-experiment.steps // every) + 1
    folder = next(folder for folder in Path(path).absolute().parents if folder.is_dir())
    return Price(per_row, rows, per_row * rows, shutil.disk_usage(folder).free)


def _has_expected_loss(channels: Iterable[Channel]) -> bool:
    return {"W", "b"} <= {channel.name for channel in channels}


def _expected_loss(population: PopulationLoss, parameters: Any) -> dict[str, np.ndarray]:
    loss = population(parameters)
    if loss.ndim == 1:
        return {"expected_loss": loss}
    # One name, two places: a number a row is a scalar, the members' own are a probe.
    return {"expected_loss": loss.mean(axis=1), "expected_loss_of_instance": loss}
