"""Groups whose vectors may be more noise than vertex: no cosine tells of them, only the sum of many errors does."""

import numpy as np

from .patterns import Pattern

# So many pairs of a group and a feature are looked at; of more, those of the groups that begin best.
_MOST_PAIRS = 2**15


def followed(pattern: Pattern, cosines: np.ndarray, most: float) -> np.ndarray:
    """Return groups (P, k) whose errors add up to no more than *most*: all of few features, of many the best begun.

    Shapes: cosines (n, n).
    """
    n = len(cosines)
    groups, errors = np.arange(n)[:, None], np.zeros(n)
    for vertex in range(1, pattern.size):
        total = errors[:, None] + _next_errors(pattern, cosines, groups, vertex)
        # The vertices of a shape are alike, so that the first may be the first feature.
        total[np.arange(n) < groups[:, :1]] = np.inf
        np.put_along_axis(total, groups, np.inf, axis=1)
        best = _least(total.ravel(), most, _MOST_PAIRS // n)
        groups = np.concatenate([groups[best // n], best[:, None] % n], axis=1)
        errors = total.ravel()[best]
    return groups


def _next_errors(pattern: Pattern, cosines: np.ndarray, groups: np.ndarray, vertex: int) -> np.ndarray:
    """Return the errors of each feature as the next vertex of each group, (P, vertex) -> (P, n)."""
    a = pattern.coefficients[vertex - pattern.rank]
    inner = cosines[groups[:, :, None], groups[:, None, :]]
    length = np.sqrt(np.maximum(np.einsum("i,pij,j->p", a, inner, a), np.finfo(float).tiny))
    along = np.zeros((len(groups), len(cosines)))
    for i in range(vertex):
        along += a[i] * cosines[groups[:, i]]
    return 2 * np.maximum(0, 1 - along / length[:, None]) * pattern.gain(vertex)


def _least(values: np.ndarray, most: float, count: int) -> np.ndarray:
    """Return where the least values are that are no more than *most*, so many of them."""
    within = np.flatnonzero(values <= most)
    if len(within) <= count:
        return within
    return within[np.argpartition(values[within], count)[:count]]
