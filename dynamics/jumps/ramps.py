"""The ramp that fits a jump best: where a signal leaves one plateau, and where it reaches the next."""

from functools import cache
from typing import NamedTuple

import numpy as np

# A window is divided into so many bins, whatever its length.
BINS = 64
# The plateaus drift where that lowers the residual by so much, in units of the noise squared.
_DRIFT_GAIN = 12.0
# The next window reaches so far beyond the ramp: in lengths of the ramp, or of eight bins.
_MARGIN, _MARGIN_BINS = 1.5, 8
# A window that shrinks by less shows nothing new.
_SHRINK = 0.7


def fit_ramp(y: np.ndarray, start: int, stop: int, noise: float) -> tuple[int, int]:
    """Return the rows (a, b), a < b, at which the best ramp in the rows start … stop - 1 of *y* begins and ends.

    Minimises Σ_t (y_t - c - β t - J u_t)², u = clip((t - a) / (b - a), 0, 1), over a, b, c and J, and over the drift β
    where it is seen above the noise. The window is divided into bins, and then again closer about the ramp found, until
    a bin is a row or the ramp is many bins. Shapes: y (T,); noise is the standard deviation of one row.
    """
    while True:
        width = (stop - start) / BINS
        first, last = _best_pair(_binned(y, start, stop), noise / np.sqrt(width))
        # What is known of a bin is known of its middle.
        a, b = (start + (k + 0.5) * width - 0.5 for k in (first, last))
        middle, reach = round((a + b) / 2), (b - a) / 2 + _MARGIN * max(b - a, _MARGIN_BINS * width)
        reach = max(round(reach), BINS // 2)
        closer = max(start, middle - reach), min(stop, middle + reach)
        length = closer[1] - closer[0]
        # The last window has a bin for each row, where there are so many.
        if width <= 1 or length > max(_SHRINK * (stop - start), BINS):
            # Where rows are fewer than bins, the last bins are one row, and no ramp begins there.
            first = min(round(a), stop - 2)
            return first, max(round(b), first + 1)
        start, stop = closer


def _binned(y: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Return the means of the bins; a row is in several where there are fewer rows than bins."""
    edges = np.arange(BINS + 1) * (stop - start) // BINS
    low, high = edges[:-1], np.maximum(edges[1:], edges[:-1] + 1)
    sums = np.concatenate([[0.0], np.cumsum(y[start:stop] - y[start], dtype=np.float64)])
    return (sums[high] - sums[low]) / (high - low)


def _best_pair(means: np.ndarray, noise: float) -> tuple[int, int]:
    ramps = _ramps()
    level = means - means.mean()
    slope = (ramps.line @ level) * ramps.line
    level_gains, drift_gains = (ramps.level @ level) ** 2, (ramps.drift @ level) ** 2
    drifts = drift_gains.max() + slope @ slope - level_gains.max() > _DRIFT_GAIN * noise**2
    best = (drift_gains if drifts else level_gains).argmax()
    return int(ramps.pairs[best, 0]), int(ramps.pairs[best, 1])


class _Ramps(NamedTuple):
    """Every ramp of a window: its first and last bin (P, 2), its shape without its mean, and without any line."""

    pairs: np.ndarray
    level: np.ndarray
    drift: np.ndarray
    line: np.ndarray


@cache
def _ramps() -> _Ramps:
    pairs = np.stack(np.triu_indices(BINS, 1), axis=1)
    a, b = pairs.T[:, :, None]
    shape = np.clip((np.arange(BINS) - a) / (b - a), 0, 1)
    level = shape - shape.mean(axis=1, keepdims=True)
    line = np.linspace(-1, 1, BINS)
    line /= np.linalg.norm(line)
    return _Ramps(pairs, _unit(level), _unit(level - (level @ line)[:, None] * line), line)


def _unit(rows: np.ndarray) -> np.ndarray:
    """Return the rows at length 1; the ramp from end to end is a line itself, and without it is nothing."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, length, out=np.zeros_like(rows), where=length > 1e-6)
