"""A signal in blocks: a recording of any length brought to a few hundred rows, and the noise in them."""

from dataclasses import dataclass

import numpy as np

# Blocks enough to tell jumps apart that lie a hundredth of the run from each other.
_BLOCKS = 512
# The share of differences taken for noise alone; the others may hold jumps. And that quantile of |N(0, 1)|.
_QUANTILE, _NORMAL = 0.3, 0.3853204664075677
# The noise is measured over 1, 2, 4 … blocks while at least so many remain.
_FEWEST = 60
# Where the longest stretches show so many times the noise of those half as long, longer ones would show still more.
_GROWTH = 1.3


@dataclass(frozen=True, eq=False)
class Blocks:
    """The means of *size* rows each, (G, n); block k covers the rows k size to (k + 1) size - 1."""

    means: np.ndarray
    size: int


def fill(signal: np.ndarray) -> np.ndarray:
    """Return *signal* (T, n) with each value that is not finite replaced by the one before it in its column.

    At the start the first finite value stands in, and 0 where a column has none.
    """
    known = np.isfinite(signal)
    rows = np.arange(len(signal))[:, None]
    source = np.maximum.accumulate(np.where(known, rows, 0), axis=0)
    source = np.where(np.maximum.accumulate(known, axis=0), source, known.argmax(axis=0))
    return np.where(known.any(axis=0), np.take_along_axis(signal, source, axis=0), 0.0)


def condense(signal: np.ndarray) -> Blocks:
    """Return the block means of *signal* (T, n); rows at the end that fill no block are left out."""
    rows, features = signal.shape
    size = max(1, -(-rows // _BLOCKS))
    count = rows // size
    means = signal[: count * size].reshape(count, size, features).mean(axis=1, dtype=np.float64)
    return Blocks(means, size)


def noise(means: np.ndarray) -> np.ndarray:
    """Return the standard deviation (n,) of the noise in *means* (G, n), as it counts in averages over many rows.

    Second differences know neither levels nor drift, and their lower quantile knows no jump. The noise over longer
    stretches counts too, so that noise which is correlated from row to row does not look like less than it is.
    """
    sums = np.concatenate([np.zeros((1, means.shape[1])), np.cumsum(means - means.mean(axis=0), axis=0)])
    scales = [_noise_at(sums, 1)]
    length = 2
    while len(means) // length >= _FEWEST:
        scales.append(_noise_at(sums, length))
        length *= 2
    widest = np.max(scales, axis=0)
    if len(scales) == 1:
        return widest
    growth = np.divide(scales[-1], scales[-2], out=np.ones_like(widest), where=scales[-2] > 0)
    return widest * np.clip(growth / _GROWTH, 1.0, 2.0)


def _noise_at(sums: np.ndarray, length: int) -> np.ndarray:
    """Return √length times the noise of the means over *length* blocks, from the running *sums* (G + 1, n)."""
    if len(sums) <= 3 * length:
        return np.zeros(sums.shape[1])
    stretches = (sums[length:] - sums[:-length]) / np.sqrt(length)
    second = np.abs(stretches[2 * length :] - 2 * stretches[length:-length] + stretches[: -2 * length])
    return np.quantile(second, _QUANTILE, axis=0) / _NORMAL / np.sqrt(6)
