"""Fewer points for the same picture: the least and the greatest of every bin of the axis."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ...dynamics.signals import Signal, pieces, stripes
from ...recorders.file.feature_major import is_feature_major

# What happens after this fraction of the run is shown in full; the first fall may leave the panel at the top.
TRANSIENT = 0.05
_LOG_RANGE = 5.0

# So many bytes are read at a time.
_MOST_BYTES = 2**26

# Takes places on an axis to where they are drawn.
Scale = Callable[[np.ndarray], np.ndarray]


class Outline(NamedTuple):
    """Points for a picture of curves, x (K,) and y (K, ...), and the rows (r, ...) that were asked for as they are."""

    x: np.ndarray
    y: np.ndarray
    rows: np.ndarray


def decimate(
    x: np.ndarray, y: Signal, bins: int = 2000, *, scale: Scale | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return points whose line covers the same pixels as that of all rows, where *bins* is twice the pixel columns.

    The bins are equal stretches of the axis, whose *scale* takes x to where it is drawn; None is a linear axis. Each
    gives its least and its greatest value; NaN is left out unless a bin holds nothing else. Rows few enough come back
    as they are. What lies in a file is read part by part.

    Shapes: x (T,) increasing, y (T,) or (T, n) -> (K,), (K,) or (K, n) with K <= 2 bins.
    """
    return outline(x, y, bins, scale=scale)[:2]


def outline(
    x: np.ndarray, y: Signal, bins: int = 2000, rows: Sequence[int] | np.ndarray = (), *, scale: Scale | None = None
) -> Outline:
    """Return what decimate() does, and some *rows* of y, which are met on the way."""
    wanted = np.asarray(rows, dtype=int)
    if len(x) <= 2 * bins:
        values = np.asarray(y)
        return Outline(x, values, values[wanted])
    starts = _starts(np.asarray(x if scale is None else scale(x), dtype=float), bins)
    # Of each bin the least and the greatest value.
    extremes = np.empty((len(starts), 2, *y.shape[1:]), y.dtype)
    found = np.empty((len(wanted), *y.shape[1:]), y.dtype)
    for at, columns, values in _parts(y):
        for side, pick in enumerate((np.fmin, np.fmax)):
            _take_in(values, at, starts, extremes[(slice(None), side, *columns)], pick)
        met = np.flatnonzero((at.start <= wanted) & (wanted < at.stop))
        found[(met, *columns)] = values[wanted[met] - at.start]
    stops = np.append(starts[1:], len(x))
    # In the middle of its bin an extreme lies in the pixel column that it belongs to, however a line ends.
    middles = np.repeat(x[(starts + stops) // 2], 2)
    middles[[0, -1]] = x[[0, -1]]
    return Outline(middles, extremes.reshape(-1, *y.shape[1:]), found)


def _parts(y: Signal) -> Iterator[tuple[slice, tuple[slice, ...], np.ndarray]]:
    """Yield the rows, the columns and the values of parts of y that have room in memory, each value once."""
    if is_feature_major(getattr(y, "chunks", None)):
        for columns, values in stripes(y, most_bytes=_MOST_BYTES):
            yield slice(0, y.shape[0]), (columns,), values
    else:
        for rows, values in pieces(y, most_bytes=_MOST_BYTES):
            yield rows, (), values


def _take_in(values: np.ndarray, at: slice, starts: np.ndarray, extremes: np.ndarray, pick: np.ufunc) -> None:
    """Take the *values* of the rows *at* into the extremes (bins, ...) of the bins that begin at the rows *starts*."""
    first, last = np.searchsorted(starts, at.start, side="right") - 1, np.searchsorted(starts, at.stop)
    found = pick.reduceat(values, np.maximum(starts[first:last] - at.start, 0), axis=0)
    if starts[first] < at.start:
        # The rows before these have begun the first bin.
        found[0] = pick(found[0], extremes[first])
    extremes[first:last] = found


def _starts(places: np.ndarray, bins: int) -> np.ndarray:
    """Return the first row of each of the *bins* equal stretches of *places* (T,) that holds any."""
    edges = np.linspace(places[0], places[-1], bins + 1)[:-1]
    return np.unique(np.searchsorted(places, edges))


# A trend is the mean over this share of the rows.
_SMOOTHING = 0.01


def trend(step: np.ndarray, loss: np.ndarray) -> tuple[np.ndarray, np.ndarray, str]:
    """Return the running mean of a noisy loss over the rows in which it was logged, and what to call it."""
    known = np.isfinite(loss)
    window = max(1, int(_SMOOTHING * known.sum()))
    label = "minibatch loss" if window == 1 else f"minibatch loss, mean of {window} rows"
    return *running_mean(step[known], loss[known], window), label


def running_mean(x: np.ndarray, values: np.ndarray, window: int, count: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Return the centred means over *window* rows at *count* of the rows, evenly spread, or at all if they are fewer.

    A mean is NaN where fewer than half of its rows are known, as at the ends. The sums are taken one by one, since
    the difference of two running sums would lose a small loss behind a large one.

    Shapes: x (T,), values (T,) -> (K,), (K,).
    """
    rows = np.unique(np.linspace(0, len(x) - 1, min(count, len(x))).astype(int))
    known = np.isfinite(values)
    # Each pair of edges spans one window; what lies between two windows is left out.
    edges = np.clip(np.column_stack([rows - window // 2, rows + (window + 1) // 2]), 0, len(x)).ravel()
    total = np.add.reduceat(np.append(np.where(known, values, 0.0), 0.0), edges)[::2]
    found = np.add.reduceat(np.append(known.astype(float), 0.0), edges)[::2]
    return x[rows], np.divide(total, found, out=np.full(len(rows), np.nan), where=found >= window / 2)


def loss_scale(values: np.ndarray) -> tuple[tuple[float, float], bool]:
    """Return the range that shows *values*, with a little room, and whether it is better seen on a logarithmic axis."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return (0.0, 1.0), False
    low, high = float(finite.min()), float(finite.max())
    if low > 0 and high / low > _LOG_RANGE:
        return (low / 1.15, high * 1.3), True
    room = high - low or abs(high) or 1.0
    return (low - 0.06 * room, high + 0.1 * room), False
