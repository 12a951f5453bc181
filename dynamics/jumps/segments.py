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
        y = np.ascontiguousarray(signal[:, part].T) / noise[part, None]
        # Each signal by itself, so that it is described the same beside any others.
        starts += [_backtrack(column) for column in _last_starts((y - y.mean(axis=1, keepdims=True)).T).T]
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
    """Return (G + 1, n): where the last segment of the best description of the first i rows starts, y without mean."""
    count, features = y.shape
    t = np.arange(count)[:, None]
    # Sums over any segment are differences of these.
    sums, moments = np.zeros((2, count + 1, features))
    np.cumsum(y, axis=0, out=sums[1:])
    np.cumsum(t * y, axis=0, out=moments[1:])
    middle, per_total, per_moment = _tables(count, features)
    # The sums of squares add up to the same for any segments, and are left out.
    cost = np.full((count + 1, features), np.inf)
    cost[0] = 0
    last = np.zeros((count + 1, features), int)
    total, moment, product = np.empty((3, count, features))
    for end in range(_SHORTEST, count + 1):
        starts = slice(0, end - _SHORTEST + 1)
        longest = slice(count - end, count - end + starts.stop)
        gain, turn, shift = total[starts], moment[starts], product[starts]
        np.subtract(sums[end], sums[starts], out=gain)
        np.subtract(moments[end], moments[starts], out=turn)
        turn -= np.multiply(gain, middle[end - 1 : end - 1 + starts.stop], out=shift)
        gain *= gain
        gain *= per_total[longest]
        turn *= turn
        turn *= per_moment[longest]
        gain += turn
        best = np.subtract(cost[starts], gain, out=gain)
        last[end] = best.argmin(axis=0)
        cost[end] = best.min(axis=0) + _PENALTY
    return last


def _tables(count: int, features: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return i / 2, and 1 / L and 12 / (L (L² - 1)) of the lengths L = count, count - 1 …, repeated for each feature.

    A slice of them is one stretch of memory beside a slice of the sums, which halves the time of broadcasting.
    """
    repeated = np.ones(features)
    length = np.arange(count, _SHORTEST - 1, -1.0)[:, None] * repeated
    return np.arange(2 * count)[:, None] / 2 * repeated, 1 / length, 12 / (length * (length**2 - 1))


def _backtrack(last: np.ndarray) -> np.ndarray:
    ends = [len(last) - 1]
    while ends[-1] > 0:
        ends.append(int(last[ends[-1]]))
    return np.array(ends[::-1])
