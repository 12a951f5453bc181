"""The energy levels and the plateaus on which features rest at them.

A level is a number. Polytopes cause the levels, and D alone never says which: 2/5 is a pentagon's and the rectified
5-cell's. So a level is told by its number, and a polytope by polytopes.identify(), from the directions.
"""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np

from .jumps.changes import SMALLEST, changes_by_stripe
from .signals import Signal, checked_signal, checked_step, tiles

# What is counted beside the levels.
UNKNOWN, BETWEEN = "not a number", "between levels"

# How far from a level a feature may rest and still be counted at it: the jitter that minibatches leave is about half.
TOLERANCE = 0.03
# What is compared with the levels takes several times its own memory.
_TILE_BYTES = 2**22


@dataclass(frozen=True)
class Level:
    """One energy level: the dimensionality D of every feature in a *polytope*, and in others."""

    dimensionality: Fraction
    polytope: str

    @property
    def label(self) -> str:
        """The level as its rational number, such as ``1/2``."""
        return str(self.dimensionality)

    @property
    def word(self) -> str:
        """What the number itself means, where it means something: 1 is *dedicated* and 0 *not represented*."""
        return self.polytope if self.dimensionality in (0, 1) else ""

    @property
    def words(self) -> str:
        """The number, with its word where it has one: ``1 (dedicated)``, ``1/2``."""
        return f"{self.label} ({self.word})" if self.word else self.label

    def name_among(self, found: Container[str]) -> str:
        """Return the name that may stand beside the number: its polytope where that was *found*, or its own word."""
        return self.polytope if self.polytope in found else self.word


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


def nearest_level(value: float, tolerance: float = TOLERANCE) -> Level | None:
    """Return the level within *tolerance* of a dimensionality, the nearest if there are several, or None."""
    index = int(level_indices(np.asarray(value), tolerance))
    return LEVELS[index] if index >= 0 else None


def level_indices(dimensionality: np.ndarray, tolerance: float = TOLERANCE) -> np.ndarray:
    """Return the index into LEVELS of the level within *tolerance* of each D, the nearest, and -1 where there is none.

    Shapes: dimensionality (...) -> (...) int8; a value that is not finite is at no level.
    """
    D = np.asarray(dimensionality)
    values = [float(level.dimensionality) for level in LEVELS]
    # How many of the middles between two levels a value is below is the index of the nearest level.
    nearest = np.zeros(D.shape, np.int8)
    for above, below in pairwise(values):
        nearest += (above + below) / 2 > D
    is_there = np.abs(D - np.array(values, np.result_type(D, np.float16))[nearest]) <= tolerance
    return np.where(is_there, nearest, np.int8(-1))


def occupancy(dimensionality: Signal | np.ndarray, tolerance: float = TOLERANCE) -> np.ndarray:
    """Return how many features are at each of LEVELS at each row; those between levels are not counted.

    A signal that is read when it is sliced is never in memory as a whole.
    Shapes: dimensionality (T, n) -> (T, len(LEVELS)) int. Raises ValueError where it has another number of axes.
    """
    signal = checked_signal(dimensionality)
    counts = np.zeros((signal.shape[0], len(LEVELS)), int)
    for rows, values in tiles(signal, most_bytes=_TILE_BYTES):
        found = level_indices(values, tolerance)
        counts[rows] += np.stack([np.count_nonzero(found == index, axis=1) for index in range(len(LEVELS))], axis=1)
    return counts


def find_levels(
    dimensionality: Signal | np.ndarray,
    step: Sequence[float] | np.ndarray | None = None,
    *,
    tolerance: float = TOLERANCE,
    smallest: float = SMALLEST,
) -> list[Plateau]:
    """Return the plateaus of every feature, feature by feature, in order of time.

    A plateau is what lies between two jumps of a feature, or a jump and an end of the run; a feature that never jumps
    has one, and a feature that drifts between levels has one without a level. The time is one pass over the signal; one
    that is read from a file when it is sliced is never in memory as a whole (see stripes.stripes).

    Shapes: dimensionality (T, n), or any other signal; step (T,) increasing, by default the row. Units: tolerance, how
    near a plateau's value must be to a level, and smallest, the smallest jump, are in those of the signal.
    Raises ValueError where a shape is wrong, values are no real numbers or the steps do not increase.
    Source: Toy Models of Superposition, "Discrete Energy Level Jumps".
    """
    signal = checked_signal(dimensionality)
    steps = checked_step(step, signal.shape[0])
    plateaus: list[Plateau] = []
    if not len(steps):
        return plateaus
    for columns, values, changes in changes_by_stripe(signal, steps, smallest):
        edges = {feature: [0] for feature in range(columns.start, columns.stop)}
        for change in changes:
            edges[change.feature] += [change.start, change.end]
        for feature, rows in edges.items():
            own = values[:, feature - columns.start]
            for first, last in zip(rows[::2], [*rows[1::2], len(own) - 1], strict=True):
                value = _mean(own[first : last + 1])
                level = nearest_level(value, tolerance)
                plateaus.append(Plateau(feature, steps[first].item(), steps[last].item(), value, level))
    return plateaus


def _mean(values: np.ndarray) -> float:
    # One stretch of memory is added up in the same order, however wide the stripe was that it comes from.
    known = np.ascontiguousarray(values)
    with np.errstate(invalid="ignore"):
        total = known.sum(dtype=np.float64)
    if not np.isfinite(total):
        known = known[np.isfinite(known)]
        total = known.sum(dtype=np.float64)
    return float(total / known.size) if known.size else float("nan")


def count_levels(dimensionality: np.ndarray) -> dict[str, int]:
    """Count features by the level they are at, highest first; those between the levels come last."""
    counts = {}
    if unknown := int(np.count_nonzero(~np.isfinite(dimensionality))):
        counts[UNKNOWN] = unknown
    found = level_indices(dimensionality)
    counts.update(
        (level.words, int(np.count_nonzero(found == k))) for k, level in enumerate(LEVELS) if (found == k).any()
    )
    if between := found.size - sum(counts.values()):
        counts[BETWEEN] = between
    return counts
