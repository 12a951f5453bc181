"""Fewer points for the same picture: the least and the greatest of every bin of the axis."""

from collections.abc import Callable

import numpy as np


def decimate(
    x: np.ndarray, y: np.ndarray, bins: int = 2000, *, scale: Callable[[np.ndarray], np.ndarray] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return points whose line covers the same pixels as that of all rows, where *bins* is twice the pixel columns.

    The bins are equal stretches of the axis, whose *scale* takes x to where it is drawn; None is a linear axis. Each
    gives its least and its greatest value; NaN is left out unless a bin holds nothing else. Rows few enough come back
    as they are.

    Shapes: x (T,) increasing, y (T, ...) -> (K,), (K, ...) with K <= 2 bins.
    """
    if len(x) <= 2 * bins:
        return x, y
    places = np.asarray(x if scale is None else scale(x), dtype=float)
    edges = np.linspace(places[0], places[-1], bins + 1)[:-1]
    starts = np.unique(np.searchsorted(places, edges))
    stops = np.append(starts[1:], len(x))
    least, greatest = np.fmin.reduceat(y, starts, axis=0), np.fmax.reduceat(y, starts, axis=0)
    # In the middle of its bin an extreme lies in the pixel column that it belongs to, however a line ends.
    middles = np.repeat(x[(starts + stops) // 2], 2)
    middles[[0, -1]] = x[[0, -1]]
    return middles, np.stack([least, greatest], axis=1).reshape(-1, *y.shape[1:])


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
