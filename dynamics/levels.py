"""The energy levels, the polytopes that cause them, and the plateaus on which features rest at them."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from .jumps.changes import SMALLEST, find_changes
from .jumps.signals import checked_signal, checked_step


@dataclass(frozen=True)
class Level:
    """One energy level: the dimensionality D of every feature in a *polytope*."""

    dimensionality: Fraction
    polytope: str

    @property
    def label(self) -> str:
        """The level as its rational number, such as ``1/2``."""
        return str(self.dimensionality)


# Toy Models of Superposition, "Uniform Superposition": the polytopes a group of equal features forms, densest last.
LEVELS: tuple[Level, ...] = (
    Level(Fraction(1), "dedicated"),
    Level(Fraction(3, 4), "tetrahedron"),
    Level(Fraction(2, 3), "triangle"),
    Level(Fraction(1, 2), "digon"),
    Level(Fraction(2, 5), "pentagon"),
    Level(Fraction(3, 8), "square antiprism"),
    Level(Fraction(0), "not represented"),
)


@dataclass(frozen=True)
class Plateau:
    """What one feature does between two jumps, from the step start to the step end.

    value is the mean of the signal there, and level the energy level that it is at, None where it is at none.
    """

    feature: int
    start: int | float
    end: int | float
    value: float
    level: Level | None


def nearest_level(value: float, tolerance: float = 0.02) -> Level | None:
    """Return the level within *tolerance* of a dimensionality, the nearest if there are several, or None."""
    index = int(level_indices(np.asarray(value), tolerance))
    return LEVELS[index] if index >= 0 else None


def level_indices(dimensionality: np.ndarray, tolerance: float = 0.02) -> np.ndarray:
    """Return the index into LEVELS of the level within *tolerance* of each D, the nearest, and -1 where there is none.

    Shapes: dimensionality (...) -> (...) int; a value that is not finite is at no level.
    """
    D = np.asarray(dimensionality)
    # One level at a time, so that a whole recording needs no array seven times its size.
    nearest, least = np.full(D.shape, -1), np.full(D.shape, np.inf)
    for index, level in enumerate(LEVELS):
        distance = np.abs(D - float(level.dimensionality))
        closer = (distance <= tolerance) & (distance < least)
        nearest[closer], least[closer] = index, distance[closer]
    return nearest


def occupancy(dimensionality: np.ndarray, tolerance: float = 0.02) -> np.ndarray:
    """Return how many features are at each of LEVELS at each row; those between levels are not counted.

    Shapes: dimensionality (T, n) -> (T, len(LEVELS)) int. Raises ValueError where it has another number of axes.
    """
    found = level_indices(checked_signal(dimensionality), tolerance)
    return np.stack([np.count_nonzero(found == index, axis=1) for index in range(len(LEVELS))], axis=1)


def find_levels(
    dimensionality: np.ndarray,
    step: Sequence[float] | np.ndarray | None = None,
    *,
    tolerance: float = 0.02,
    smallest: float = SMALLEST,
) -> list[Plateau]:
    """Return the plateaus of every feature, feature by feature, in order of time.

    A plateau is what lies between two jumps of a feature, or a jump and an end of the run; a feature that never jumps
    has one, and a feature that drifts between levels has one without a level. The time is linear in T n.

    Shapes: dimensionality (T, n), or any other signal; step (T,) increasing, by default the row. Units: tolerance, how
    near a plateau's value must be to a level, and smallest, the smallest jump, are in those of the signal.
    Raises ValueError where a shape is wrong or the steps do not increase.
    Source: Toy Models of Superposition, "Discrete Energy Level Jumps".
    """
    signal = checked_signal(dimensionality)
    steps = checked_step(step, len(signal))
    edges: list[list[int]] = [[0] for _ in range(signal.shape[1])]
    for change in find_changes(signal, steps, smallest):
        edges[change.feature] += [change.start, change.end]
    plateaus = []
    for feature, rows in enumerate(edges):
        rows.append(len(signal) - 1)
        for first, last in zip(rows[::2], rows[1::2], strict=True):
            value = _mean(signal[first : last + 1, feature])
            level = nearest_level(value, tolerance)
            plateaus.append(Plateau(feature, steps[first].item(), steps[last].item(), value, level))
    return plateaus


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean(dtype=np.float64)) if known.size else float("nan")
