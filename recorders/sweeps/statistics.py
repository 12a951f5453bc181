"""The dynamics of a sweep in numbers: at each of its points when models jump, at which levels, and what they form."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

from ...dynamics.chance import is_beyond, moves_of
from ...dynamics.ensembles.gathering import Model
from ...dynamics.ensembles.intervals import IntervalEstimate
from ...dynamics.ensembles.many_models import EnsembleDynamics, ensemble_dynamics
from ...dynamics.ensembles.survival import Survival
from ..reading.recording import Recording
from ..text import ShownAsText
from .as_recording import Progress
from .each_model import models_of
from .sweep import Sweep

# Shares of the features that are never told, since they say nothing.
_RARE = 0.005


@dataclass(frozen=True)
class PointStatistics(ShownAsText):
    """The models at one point: the settings that make it, and what they do."""

    settings: dict[str, Any]
    dynamics: EnsembleDynamics

    @property
    def name(self) -> str:
        """The settings in words; empty where there is one point only."""
        return ", ".join(f"{name}={_short(value)}" for name, value in self.settings.items())

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold; jumps is None where no trajectories were kept."""
        dynamics = self.dynamics
        formed = {
            name: {"models": each.models.as_dict(), "features": each.features.as_dict()}
            for name, each in dynamics.polytopes.items()
        }
        return {
            "settings": self.settings,
            "models": dynamics.models,
            "diverged": self._diverged,
            "failed": dynamics.failed,
            "confidence": dynamics.level,
            "jumps": _jumps(dynamics) if dynamics.jumps is not None and dynamics.models else None,
            "levels": {name: share.as_dict() for name, share in dynamics.occupancy.at_end().items()},
            "polytopes": formed,
        }

    def __str__(self) -> str:
        if not self.dynamics.models:
            return self.head
        levels = _shares((name, share) for name, share in self.dynamics.occupancy.at_end().items())
        formed = _shares((name, each.features) for name, each in self.dynamics.polytopes.items())
        return "\n".join([self.head, *self.jump_lines, f"  levels      {levels}", f"  polytopes   {formed}"])

    @property
    def head(self) -> str:
        """Which point it is, how many models it has, and how many of them diverged or failed."""
        models = f"{self.dynamics.models} model{'' if self.dynamics.models == 1 else 's'}"
        diverged = f", of which {self._diverged} diverged" if self._diverged else ""
        failed = f", and {self.dynamics.failed} that failed" if self.dynamics.failed else ""
        return f"{self.name or 'all'}: {models}{diverged}{failed}"

    @property
    def _diverged(self) -> int:
        """How many models were finite at first and not until the end."""
        return int(np.count_nonzero(self.dynamics.watched < self.dynamics.step[-1]))

    @property
    def jump_lines(self) -> list[str]:
        """The statistics of the jumps in words; nothing where no trajectories were kept."""
        dynamics = self.dynamics
        if dynamics.jumps is None or not dynamics.models:
            return []
        if not any(map(len, dynamics.jumps)):
            models = "the model" if dynamics.models == 1 else f"any of {dynamics.models} models"
            return [f"  jumps       none in {models}"]
        lines = [
            f"  jumps       {dynamics.jumps_per_model} in a model, the median of them {dynamics.jump_size} in size"
        ]
        orders = range(1, 1 + max(map(len, dynamics.jumps)))
        lines += [f"  jump {order:<6d} {_when(dynamics.jump_time(order))}" for order in orders]
        if np.isfinite(dynamics.loss_drop.value):
            lines.append(f"  loss        falls by {dynamics.loss_drop} at a jump, the median")
        return lines


@dataclass(frozen=True)
class SweepStatistics(ShownAsText):
    """The points of a sweep or of a recorded ensemble, of one matrix of features and one loss, None without any."""

    path: str
    parameter: str
    loss: str | None
    points: tuple[PointStatistics, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        points = [point.as_dict() for point in self.points]
        return {"path": self.path, "parameter": self.parameter, "loss": self.loss, "points": points}

    def __str__(self) -> str:
        return "\n".join(map(str, self.points))

    @property
    def jump_lines(self) -> str:
        """The statistics of the jumps in words, of each point in turn."""
        return "\n".join(line for each in self.points for line in (each.head, *each.jump_lines))


def statistics_of(
    source: Sweep | Recording, parameter: str | None = None, *, points: int | None = None, progress: Progress = iter
) -> SweepStatistics:
    """Return the statistics of a sweep over any settings, or of a recorded ensemble, at its first so many *points*.

    A few models are read at a time, and of each its jumps are kept. Without trajectories levels and polytopes are those
    at the end, and there are no jumps. parameter: whose features, by default the first that has any. *progress* wraps
    the numbers of the models. Raises as models_of() does.
    """
    found = models_of(source, parameter)
    looked_at = found.points[:points]
    models = _counted(found.models, progress(range(len(looked_at) * found.repeat)))
    is_told = partial(_is_told, share=1 / max(1, len(looked_at) * found.repeat))
    told = tuple(
        PointStatistics(settings, ensemble_dynamics(islice(models, found.repeat), found.step, is_told=is_told))
        for settings in looked_at
    )
    # A bar that shows how far it is goes away at its end, which is behind the last model.
    next(models, None)
    return SweepStatistics(str(source.path), found.parameter, found.loss, told)


def _counted(models: Iterator[Model], numbers: Iterable[int]) -> Iterator[Model]:
    """Yield a model for each of the *numbers*."""
    for _ in numbers:
        yield next(models)


def _is_told(model: Model, share: float) -> bool:
    """Return whether a model is beyond chance; by its last row alone where no trajectory was kept."""
    D = np.asarray(model.dimensionality)
    return is_beyond(np.asarray(model.W, np.float64), moves_of(D) if len(D) > 1 else None, share=share)


def _jumps(dynamics: EnsembleDynamics) -> dict[str, Any]:
    orders = range(1, 1 + max(map(len, dynamics.jump_times)))
    return {
        "per_model": dynamics.jumps_per_model.as_dict(),
        "size": dynamics.jump_size.as_dict(),
        "loss_drop": dynamics.loss_drop.as_dict(),
        "order": [_curve(dynamics.jump_time(order)) for order in orders],
        "steps": [times.tolist() for times in dynamics.jump_times],
        "loss_drops": [[_known(drop) for drop in drops.tolist()] for drops in dynamics.loss_drops],
        "sizes": [sizes.tolist() for sizes in dynamics.jump_sizes],
        "watched_until": dynamics.watched.tolist(),
    }


def _curve(time: Survival) -> dict[str, Any]:
    """Return the distribution of one jump's time as JSON can hold it."""
    shares = {name: getattr(time, name).tolist() for name in ("time", "share", "low", "high")}
    return {"models": time.models, "jumped": time.happened, "median": time.median.as_dict(), "survival": shares}


def _when(time: Survival) -> str:
    """Say how many models have jumped, and by when half of all had, not of those that did."""
    head, median = f"in {time.happened} of {time.models}", time.median
    if not np.isfinite(median.value):
        return f"{head}, fewer than half of all by the end, step {time.end:.0f}"
    if time.models == 1:
        return f"{head}, at step {median.value:.0f}"
    high = f"{median.high:.0f}" if np.isfinite(median.high) else "the end or later"
    return f"{head}, half of all {time.models} by step {median.value:.0f} ({median.low:.0f} to {high})"


def _shares(shares: Iterable[tuple[str, IntervalEstimate]]) -> str:
    return ", ".join(f"{name} {share}" for name, share in shares if share.high > _RARE or share.value > _RARE) or "none"


def _known(number: float) -> float | None:
    return number if np.isfinite(number) else None


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
