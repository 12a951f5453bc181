"""The one pass over the models of an ensemble: their jumps, their ends, and moments of their shares at the levels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..chance.judging import as_random
from ..jumps.detection import Jump, detect_jumps
from ..levels import LEVELS, TOLERANCE, occupancy
from ..polytopes.identification import Polytope, identify
from ..signals import Signal, pieces, sliceable

# Fewer rows hold no two plateaus with a jump between them.
FEWEST_ROWS = 6


class Model(NamedTuple):
    """One model: its dimensionalities (T, n) and its loss (T,), or None without one; and its last weights W (m, n)."""

    dimensionality: Signal | np.ndarray
    loss: np.ndarray | None
    W: np.ndarray


@dataclass(frozen=True)
class Watched:
    """What one model did: its jumps, the last step until which it was finite, and its polytopes if that is the end."""

    jumps: tuple[Jump, ...]
    until: float
    polytopes: list[Polytope] | None


class Moments:
    """Mean and standard deviation of arrays (rows, levels) that come one at a time, some with their first rows only.

    By Welford's recurrence: mean_k = mean_{k-1} + (x - mean_{k-1}) / k.
    """

    def __init__(self, shape: tuple[int, int]):
        self.count = np.zeros(shape[0])
        self._mean = np.zeros(shape)
        self._squares = np.zeros(shape)

    def add(self, sample: np.ndarray) -> None:
        """Take in one array (rows, levels)."""
        rows = slice(len(sample))
        self.count[rows] += 1
        away = sample - self._mean[rows]
        self._mean[rows] += away / self.count[rows, None]
        self._squares[rows] += away * (sample - self._mean[rows])

    @property
    def mean(self) -> np.ndarray:
        """The mean, (T, levels); NaN where nothing came."""
        return np.where(self.count[:, None] > 0, self._mean, np.nan)

    def deviation(self, freedom: int = 0) -> np.ndarray:
        """Return √(Σ(x - mean)² / (k - *freedom*)), (T, levels); NaN where k is not greater than that."""
        left = np.where(self.count > freedom, self.count - freedom, np.nan)
        return np.sqrt(self._squares / left[:, None])


class Gathered:
    """What is kept of each model, None of one that is not finite in the first row, and moments of all of them.

    is_told says of a model whether it is beyond chance: of any other neither jumps, levels nor polytopes are kept.
    """

    def __init__(self, step: np.ndarray, tolerance: float = TOLERANCE, is_told: Callable[[Model], bool] | None = None):
        self.step = step
        self._is_told = is_told
        self.models: list[Watched | None] = []
        self.shares = Moments((len(step), len(LEVELS)))
        self._tolerance = tolerance

    @property
    def watched(self) -> list[Watched]:
        """The models that have not failed."""
        return [model for model in self.models if model is not None]

    def add(self, models: Sequence[Model]) -> None:
        """Take in models (T, n), all with the same T and n; raises ValueError where one has another number of rows.

        A signal that is read when it is sliced is never in memory as a whole, unless it is not finite throughout.
        """
        found = [D for model in models if (D := self._add_one(model)) is not None]
        if not found:
            return
        together = found[0] if len(found) == 1 else np.concatenate([np.asarray(D) for D in found])
        shares = occupancy(together, self._tolerance) / found[0].shape[1]
        for each in np.split(shares, np.cumsum([D.shape[0] for D in found])[:-1]):
            self.shares.add(each)

    def _add_one(self, model: Model) -> Signal | None:
        """Take in a model's jumps and its end; return the rows (rows, n) until which it is finite, None without any."""
        D = sliceable(model.dimensionality)
        if D.shape[0] != len(self.step):
            raise ValueError(
                f"a model has {D.shape[0]} rows for the {len(self.step)} of step; give one row for each step"
            )
        rows = _finite_rows(D)
        if not rows:
            self.models.append(None)
            return None
        is_whole = rows == len(self.step)
        finite = D if is_whole else np.asarray(D[:rows])
        is_end = is_whole and bool(np.isfinite(model.W).all())
        if is_end and self._is_told is not None and not self._is_told(model):
            self.models.append(Watched((), float(self.step[rows - 1]), as_random(model.W)))
            return np.full(D.shape, np.nan, np.float32)
        jumps: tuple[Jump, ...] = ()
        if len(self.step) >= FEWEST_ROWS:
            loss = None if model.loss is None else np.asarray(model.loss)[:rows]
            jumps = tuple(detect_jumps(finite, loss, self.step[:rows]))
        polytopes = identify(model.W) if is_end else None
        self.models.append(Watched(jumps, float(self.step[rows - 1]), polytopes))
        return finite


def _finite_rows(signal: Signal) -> int:
    """Return how many rows there are before the first with a number that is not finite."""
    for rows, values in pieces(signal):
        finite = np.isfinite(values).all(axis=1)
        if not finite.all():
            return rows.start + int(finite.argmin())
    return signal.shape[0]
