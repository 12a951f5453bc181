"""The best piecewise-linear description of many signals at once: where its straight lines begin, and what they are."""

from typing import NamedTuple

import numpy as np

# A line costs its start, value and slope: half as much again as the Bayesian criterion asks for them in 512 rows.
_PENALTY = 30.0
# A line through fewer points fits anything.
_SHORTEST = 2
# So many signals at a time stay in the processor's cache.
_CHUNK = 32


class Lines(NamedTuple):
    """The line segments of one signal: first and last row, length, values there, slope; each (segments,)."""

    first: np.ndarray
    last: np.ndarray
    length: np.ndarray
    begin: np.ndarray
    end: np.ndarray
    slope: np.ndarray


def segment(signal: np.ndarray, noise: np.ndarray) -> list[np.ndarray]:
    """Return for each column of *signal* the rows at which its line segments start, in order, and G at the end.

    Minimises Σ_segments (residual sum of squares / noise² + penalty) exactly, by dynamic programming over the ends of
    the segments; the lines need not meet. It costs O(G² n) time and O(G n) memory.

    Shapes: signal (G, n), noise (n,) the standard deviation of one row -> n arrays (segments + 1,).
    Source: Jackson et al. 2005, An algorithm for optimal partitioning of data on an interval.
    """
    starts: list[np.ndarray] = []
    for first in range(0, signal.shape[1], _CHUNK):
        part = slice(first, first + _CHUNK)
        starts += [_backtrack(column) for column in _last_starts(signal[:, part] / noise[part]).T]
    return starts


def fit_lines(y: np.ndarray, starts: np.ndarray) -> Lines:
    """Return the least-squares line of each segment of *y* (G,) between the rows *starts* (segments + 1,)."""
    first, last, length = starts[:-1], starts[1:] - 1, np.diff(starts)
    middle = (first + last) / 2
    mean = np.add.reduceat(y, first) / length
    moment = np.add.reduceat(y * np.arange(len(y)), first) - length * mean * middle
    slope = moment * 12 / (length * (length**2 - 1))
    reach = slope * (length - 1) / 2
    return Lines(first, last, length, mean - reach, mean + reach, slope)


def _last_starts(y: np.ndarray) -> np.ndarray:
    """Return (G + 1, n): where the last segment of the best description of the first i rows starts."""
    count, features = y.shape
    y = y - y.mean(axis=0)
    t = np.arange(count)[:, None]
    # Sums over any segment are differences of these.
    sums = np.zeros((3, count + 1, features))
    np.cumsum([y, t * y, y * y], axis=1, out=sums[:, 1:])
    best = np.full((count + 1, features), np.inf)
    best[0] = 0
    last = np.zeros((count + 1, features), int)
    for end in range(_SHORTEST, count + 1):
        starts = slice(0, end - _SHORTEST + 1)
        length = (end - t[starts]).astype(float)
        total, moment, square = (each[end] - each[starts] for each in sums)
        moment -= (end + t[starts] - 1) / 2 * total
        cost = best[starts] + square - total**2 / length - moment**2 * (12 / (length * (length**2 - 1)))
        last[end] = cost.argmin(axis=0)
        best[end] = cost.min(axis=0) + _PENALTY
    return last


def _backtrack(last: np.ndarray) -> np.ndarray:
    ends = [len(last) - 1]
    while ends[-1] > 0:
        ends.append(int(last[ends[-1]]))
    return np.array(ends[::-1])
