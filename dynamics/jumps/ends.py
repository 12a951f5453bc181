"""What a noisy series is worth at one of its rows, from the rows on one side of it: near ones where it bends."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from .sides import lasting_noise

# A stretch of rows is brought to at most twice so many bins, to which means, lines and parabolas are fitted.
_BINS, _ORDERS = 24, 3
# So many shapes of stretches are kept.
_SIZES = 4096
# A longer stretch counts while it agrees with what shorter ones say, within so many of their standard errors.
_AGREE = 2.75
# A row is a spike where it is so many deviations off the median of this many rows about it. The deviation is that of so
# many rows, since the noise of a loss may fall with it; spikes are part of it in the first of so many turns.
_SPIKE, _ABOUT = 5.0, 31
_SCALE_ROWS, _TURNS = 63, 4
# Means over up to so many rows tell the noise as it counts in averages; third differences know no level, drift or bend.
_LONGEST, _FEWEST = 8, 12
_NORMAL, _MEAN, _THIRD = 0.6745, 0.7979, 20**0.5


class Value(NamedTuple):
    """A value and its standard error."""

    value: float
    error: float


def value_at_end(y: np.ndarray, noise: float) -> Value:
    """Return what *y* (k,) is worth at its last row, without its noise.

    Means, lines and parabolas are fitted to the last 1, 2, 3 … rows. What is sure is known from many rows, and what is
    true where the series bends, from few; the surest fit counts that agrees with all that are less sure, and with the
    shorter ones of its kind (Lepski's rule). The last row is a part of each fit: none is drawn beyond what was seen.
    The error counts how far the surest means, lines and parabolas are apart, and noise that wanders up and down for
    long. *noise* is the standard deviation of a row as it counts in averages over a few.
    """
    noise = max(noise, _wandering(y))
    low, high = -np.inf, np.inf
    surest: dict[int, _Fit] = {}
    stopped: set[int] = set()
    for fit in sorted(_fits(y), key=lambda fit: -fit.error):
        if fit.order not in stopped and low <= fit.value <= high:
            surest.pop(fit.order, None)
            surest[fit.order] = fit
            low, high = (
                max(low, fit.value - _AGREE * noise * fit.error),
                min(high, fit.value + _AGREE * noise * fit.error),
            )
        else:
            stopped.add(fit.order)
    best = list(surest.values())[-1]
    # What their own errors account for is no difference.
    apart = [(fit.value - best.value) ** 2 - noise**2 * (fit.error**2 - best.error**2) for fit in surest.values()]
    return Value(best.value, float(np.sqrt((noise * best.error) ** 2 + np.mean(np.maximum(apart, 0)))))


def calm(y: np.ndarray) -> np.ndarray:
    """Return *y* (k,) with spikes, at most fifteen rows in 31, replaced by the median of the rows about them.

    A monotone series is its own running median, so that neither falls nor steps are touched.
    """
    from scipy.ndimage import median_filter, uniform_filter1d

    middle = median_filter(y, _ABOUT, mode="nearest")
    off = np.abs(y - middle)
    usual = median_filter(off, _SCALE_ROWS, mode="nearest") / _NORMAL
    spikes = np.zeros(len(y), bool)
    for _ in range(_TURNS):
        # Most rows are on the median where there is no noise, or where values are rounded.
        others = uniform_filter1d(np.where(spikes, 0, off), _SCALE_ROWS, mode="nearest") / _MEAN
        spikes |= off > _SPIKE * np.where(usual > 0, usual, others)
    return np.where(spikes, middle, y)


def noise_in_averages(y: np.ndarray) -> float:
    """Return the standard deviation of the noise in *y* (k,), as it counts in averages over a few rows and more.

    It is 0 where there are too few rows to tell.
    """
    scales: list[float] = []
    size = 1
    while size <= _LONGEST and len(y) // size >= (_FEWEST if scales else 4):
        means = y[len(y) % size :].reshape(-1, size).mean(axis=1)
        scale = np.sqrt(size) * _deviation(np.abs(np.diff(means, 3))) / _THIRD
        # What grows faster than a random walk is no noise but a bend.
        scales.append(min(scale, 2 * scales[-1]) if scales else scale)
        size *= 2
    return float(max(scales, default=0.0))


def _deviation(off: np.ndarray) -> float:
    """Return the standard deviation that the distances *off* from 0 tell of, whatever a few of them are."""
    usual = float(np.median(off)) / _NORMAL
    # Most of them are 0 where values are rounded.
    return usual if usual else float(np.sqrt(np.mean(off**2)))


class _Fit(NamedTuple):
    """A polynomial of some order: its value at the last row, and its error where the noise of a row is 1."""

    order: int
    value: float
    error: float


def _fits(y: np.ndarray) -> list[_Fit]:
    """Return what polynomials say that are fitted to the last rows of *y* (k,), more and more of them."""
    fits = []
    for size, bins in _stretches(len(y)):
        means = _binned(y, size, bins)
        weights, errors = _weights(size, bins)
        fits += map(_Fit, range(len(errors)), (weights @ means).tolist(), errors)
    return fits


@lru_cache(_SIZES)
def _stretches(rows: int) -> list[tuple[int, int]]:
    """Return (size, bins) of longer and longer stretches: the last size * bins of so many rows."""
    lengths = sorted({int(2 ** (k / 3)) for k in range(3 * rows.bit_length())} | {rows})
    sizes = [(max(1, length // _BINS), length) for length in lengths if length <= rows]
    return [(size, length // size) for size, length in sizes]


def _binned(y: np.ndarray, size: int, bins: int) -> np.ndarray:
    """Return the means (bins,) of *size* rows each, the last of them."""
    return y[-size * bins :].reshape(bins, size).mean(axis=1) if size > 1 else y[-bins:]


def _wandering(y: np.ndarray) -> float:
    """Return the deviation of a row as it counts in averages over all of *y* (k,), about the best monotone course."""
    size, bins = _stretches(len(y))[-1]
    means = _binned(y, size, bins)
    falling, rising = means + _rising(-means), means - _rising(means)
    return size**0.5 * lasting_noise(min(falling, rising, key=np.linalg.norm))


def _rising(y: np.ndarray) -> np.ndarray:
    """Return the course (k,) that never falls and is nearest to *y*: max over i ≤ k, min over j ≥ k of means i … j."""
    sums = np.concatenate([[0.0], np.cumsum(y)])
    i, j = np.arange(len(y))[:, None], np.arange(len(y))
    means = np.where(j >= i, (sums[j + 1] - sums[i]) / np.maximum(j + 1 - i, 1), np.inf)
    least = np.minimum.accumulate(means[:, ::-1], axis=1)[:, ::-1]
    return np.where(j >= i, least, -np.inf).max(axis=0)


@lru_cache(_SIZES)
def _weights(size: int, bins: int) -> tuple[np.ndarray, list[float]]:
    """Return what each bin counts in the value at the last row, for each order (p, bins), and the errors of these."""
    # The middles of the bins, in stretches from the last row.
    t = (np.arange(bins) - (bins - 1) - (size - 1) / (2 * size)) / bins
    powers = np.vander(t, _ORDERS, increasing=True)
    weights = np.stack([np.linalg.pinv(powers[:, : order + 1])[0] for order in range(min(_ORDERS, bins))])
    return weights, (np.linalg.norm(weights, axis=1) / size**0.5).tolist()
