"""A signal in blocks: a recording of any length brought to a few hundred rows, and the noise in them."""

from dataclasses import dataclass

import numpy as np

# Blocks enough to tell jumps apart that lie a hundredth of the run from each other.
BLOCKS = 512
# So many rows are filled at a time, and so many of so many columns are summed: they stay in the cache.
_PIECE = 2**14
_HIGH, _WIDE = 2**15, 32
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
    filled, last = signal.copy(order="K"), _first_known(signal)
    for first in range(0, len(filled), _PIECE):
        piece = filled[first : first + _PIECE]
        if not (known := np.isfinite(piece)).all():
            source = np.maximum.accumulate(np.where(known, np.arange(len(piece))[:, None], -1), axis=0)
            piece[:] = np.where(source >= 0, np.take_along_axis(piece, np.maximum(source, 0), axis=0), last)
        last = piece[-1].copy()
    return filled


def _first_known(signal: np.ndarray) -> np.ndarray:
    """Return the first finite value of each column of *signal* (T, n), 0 where there is none; (n,)."""
    found, missing = np.zeros(signal.shape[1], signal.dtype), np.ones(signal.shape[1], bool)
    for first in range(0, len(signal), _PIECE):
        known = np.isfinite(signal[first : first + _PIECE])
        row = first + known.argmax(axis=0)
        new = missing & known.any(axis=0)
        found[new] = signal[row[new], np.flatnonzero(new)]
        missing &= ~new
        if not missing.any():
            break
    return found


def condense(signal: np.ndarray) -> Blocks:
    """Return the block means of *signal* (T, n); rows at the end that fill no block are left out.

    Each column is summed by itself in double precision, so that its means are the same beside any others.
    """
    rows, features = signal.shape
    size = max(1, -(-rows // BLOCKS))
    count = rows // size
    means = np.empty((features, count))
    high = max(1, min(count, _HIGH // size))
    for first in range(0, count, high):
        part = signal[first * size : min(first + high, count) * size]
        for left in range(0, features, _WIDE):
            for k, column in enumerate(_contiguous(part[:, left : left + _WIDE].T), left):
                # Infinities of both signs have no sum, and what is missing is found by that.
                with np.errstate(invalid="ignore"):
                    means[k, first : first + high] = column.reshape(-1, size).sum(axis=1, dtype=np.float64)
    return Blocks(means.T / size, size)


def _contiguous(columns: np.ndarray) -> np.ndarray:
    """Return *columns* (k, rows) so that the rows of each lie side by side, as they are where they do already."""
    return columns if columns.strides[1] == columns.itemsize else np.ascontiguousarray(columns)


def noise(means: np.ndarray) -> np.ndarray:
    """Return the standard deviation (n,) of the noise in *means* (G, n), as it counts in averages over many rows.

    Second differences know neither levels nor drift, and their lower quantile knows no jump. The noise over longer
    stretches counts too, so that noise which is correlated from row to row does not look like less than it is.
    """
    y = np.ascontiguousarray(means.T)
    sums = np.zeros((means.shape[1], len(means) + 1))
    np.cumsum(y - y.mean(axis=1, keepdims=True), axis=1, out=sums[:, 1:])
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
    """Return √length times the noise of the means over *length* blocks, from the running *sums* (n, G + 1)."""
    if sums.shape[1] <= 3 * length:
        return np.zeros(len(sums))
    stretches = (sums[:, length:] - sums[:, :-length]) / np.sqrt(length)
    second = np.abs(stretches[:, 2 * length :] - 2 * stretches[:, length:-length] + stretches[:, : -2 * length])
    return np.quantile(second, _QUANTILE, axis=1) / _NORMAL / np.sqrt(6)
