"""The census of a sweep whose models were followed to rest: which configurations there are at each point, how often."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...dynamics.errors import RecordingError
from ...dynamics.polytopes.configurations import Configuration, configurations
from ...dynamics.training.at_rest import NOWHERE, REST
from ..text import ShownAsText
from .as_recording import Progress
from .each_model import points_of
from .sweep import Sweep

# Dimensionalities that are nearer to each other than this are told as one range, to three digits.
_APART = 0.1
# How the table calls the settings.
_SHORT = {"n_features": "n", "n_hidden": "m"}


@dataclass(frozen=True, eq=False)
class CensusEntry:
    """A configuration at a point, and in how many directions the loss leads down from it: at a minimum in none."""

    configuration: Configuration
    saddle_index: int

    @property
    def count(self) -> int:
        """How many models have formed it."""
        return len(self.configuration.models)

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        it = self.configuration
        return {
            "name": it.name,
            "polytope": it.polytope,
            "models": list(it.models),
            "loss": it.loss,
            "saddle_index": self.saddle_index,
            "dimensionality": it.dimensionality.tolist(),
        }


@dataclass(frozen=True, eq=False)
class CensusPoint:
    """What so many *models* at one point have formed, the commonest first; the others did not come to rest."""

    settings: dict[str, Any]
    models: int
    found: tuple[CensusEntry, ...]

    @property
    def at_rest(self) -> int:
        """How many models have come to rest, at a minimum or at a saddle."""
        return sum(each.count for each in self.found)

    @property
    def minima(self) -> list[CensusEntry]:
        """The configurations that are minima, the commonest first."""
        return [each for each in self.found if not each.saddle_index]

    @property
    def commonest(self) -> CensusEntry | None:
        """Of the polytope that most models have formed, the minimum that most of them have."""
        most = max(self.polytopes.values(), default=0)
        return next((each for each in self.minima if self.polytopes[each.configuration.polytope] == most), None)

    @property
    def lowest(self) -> CensusEntry | None:
        """The minimum with the lowest loss."""
        return min(self.minima, key=lambda each: each.configuration.loss, default=None)

    @property
    def polytopes(self) -> Counter[str]:
        """How many models have formed each polytope at a minimum, whatever their weak features do."""
        counts = Counter[str]()
        for each in self.minima:
            counts[each.configuration.polytope] += each.count
        return counts

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        found = [each.as_dict() for each in self.found]
        return {"settings": self.settings, "models": self.models, "at_rest": self.at_rest, "found": found}

    def cells(self) -> list[str]:
        """Return its line of the table, value by value."""
        settings = [f"{value:g}" if isinstance(value, float) else str(value) for value in self.settings.values()]
        common, lowest = self.commonest, self.lowest
        if common is None or lowest is None:
            return [*settings, "none", *[""] * 6, f"{self.at_rest} of {self.models}"]
        best = "the same" if lowest is common else f"{lowest.configuration.name}, {lowest.count}"
        return [
            *settings,
            common.configuration.name,
            f"{self.polytopes[common.configuration.polytope]}",
            f"{common.count}",
            _in_short(common.configuration.dimensionality),
            f"{common.configuration.loss:.4g}",
            f"{lowest.configuration.loss:.4g}",
            best,
            f"{self.at_rest} of {self.models}",
        ]


@dataclass(frozen=True, eq=False)
class Census(ShownAsText):
    """The points of a sweep whose models were followed to rest."""

    path: str
    points: tuple[CensusPoint, ...]

    @property
    def header(self) -> list[str]:
        """The names of the table's columns."""
        settings = [_SHORT.get(name, name) for name in self.points[0].settings] if self.points else []
        return [*settings, "commonest", "polytope", "exactly", "D", "loss", "lowest loss", "reached by", "at rest"]

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {"path": self.path, "points": [point.as_dict() for point in self.points]}

    def __str__(self) -> str:
        return "\n".join(_aligned([self.header, *(point.cells() for point in self.points)]))


def is_census(sweep: Sweep) -> bool:
    """Return whether the models of a sweep were followed to rest."""
    return set(REST) <= set(sweep.names)


def census_of(sweep: Sweep, *, progress: Progress = iter) -> Census:
    """Return the census of a sweep, whose points *progress* wraps.

    Raises RecordingError where its models were not followed to rest.
    """
    if not is_census(sweep):
        raise RecordingError(f"{sweep.path} says nothing of where its models rest; sweep with --rest")
    W, b, loss, index = (sweep.dataset(name) for name in REST)
    points = points_of([{axis: values} for axis, values in sweep.axes.items()])
    places = list(np.ndindex(*map(len, sweep.axes.values())))
    told = []
    for k in progress(range(len(points))):
        sizes = _sizes(sweep, points[k])
        at = places[k]
        told.append(_point(points[k], sizes, W[at], b[at], loss[at], index[at]))
    return Census(str(sweep.path), tuple(told))


def _sizes(sweep: Sweep, settings: dict[str, Any]) -> tuple[int, int]:
    whole = sweep.experiment | settings
    return whole["n_hidden"], whole["n_features"]


def _point(
    settings: dict[str, Any], sizes: tuple[int, int], W: np.ndarray, b: np.ndarray, loss: np.ndarray, index: np.ndarray
) -> CensusPoint:
    """Count one point, from arrays of its models that are filled up to the sizes of the largest point."""
    m, n = sizes
    resting = np.flatnonzero(np.isfinite(loss) & (index != NOWHERE))
    found = configurations(W[resting, :m, :n], b[resting, :n], loss[resting])
    index = index[resting]
    told = [
        CensusEntry(
            replace(each, models=tuple(resting[list(each.models)].tolist())), int(index[list(each.models)].max())
        )
        for each in found
    ]
    return CensusPoint(settings, len(loss), tuple(told))


def _in_short(D: np.ndarray) -> str:
    """Return sorted dimensionalities as values and ranges, such as ``0.032, 5 × 0.369–0.403``."""
    told = []
    for part in np.split(D, np.flatnonzero(np.diff(D) > _APART) + 1):
        low, high = f"{part[0]:.3f}", f"{part[-1]:.3f}"
        values = low if low == high else f"{low}–{high}"
        told.append(values if len(part) == 1 else f"{len(part)} × {values}")
    return ", ".join(told)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the rows of a table as lines whose columns begin below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return [line.rstrip() for line in lines]
