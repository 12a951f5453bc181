"""The moments of a uniform x over the part of a cube in which an affine function is positive, exactly and stably.

On every support of the sparse features x is uniform on a face of the unit cube, and a ReLU output is active on the
part of the face where z = c + a·x > 0. The textbook formula for such a part is an alternating sum over the cube's
corners divided by Π a_j, which loses all digits where an a_j is small. Here the part is cut into pyramids instead.
Their common apex t is a point of the face where z = 0; their bases are the active parts of the facets, in which one
free coordinate j is 0 or 1, and their heights are t_j and 1 - t_j. A function f that is homogeneous of degree d about
t has ∫ f = Σ height ∫_base f / (k + d) on a face of k dimensions, so that the moments of faces follow from those of
facets, from the corners up, by sums in which no term is negative.
"""

from itertools import combinations
from typing import NamedTuple

import numpy as np

# How many numbers a block of rows may hold for the moments of its corners: what stays in a processor's cache.
_BLOCK = 2**18


def active_moments(a: np.ndarray, c: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return M = Σ_S w_|S| ∫ x̃ x̃ᵀ [c + a·x > 0] dx_S, with x̃ = (1, x) and x zero outside the support S.

    The sum runs over all 2^n supports and dx_S is uniform on [0, 1]^|S|: with w_k = p^k (1-p)^(n-k), M is the
    expectation of x̃ x̃ᵀ where the output is active. The cost grows as 3^n.

    Shapes: a (rows, n), c (rows,), weights (n+1, rows) -> (n+1, n+1, rows).
    Source: Lasserre 1998, Proc. AMS 126, for the integral of a homogeneous function over a polytope.
    """
    rows, n = a.shape
    pairs = np.triu_indices(n + 1)
    triangle = np.empty((len(pairs[0]), rows))
    step = max(1, _BLOCK // (len(pairs[0]) * 2**n))
    for start in range(0, rows, step):
        block = slice(start, start + step)
        triangle[:, block] = _sum_over_supports(a[block].T, c[block], weights[:, block], pairs)
    place = np.empty((n + 1, n + 1), dtype=int)
    place[pairs] = place.T[pairs] = np.arange(len(triangle))
    return triangle[place]


class _Faces(NamedTuple):
    """The parallel faces with the same free coordinates: each other coordinate is 0 or 1, on an axis of its own.

    low and high, the extremes of z, have shape (2, …, 2, rows); moments, the upper triangle of x̃ x̃ᵀ integrated where
    z > 0, has shape (pairs, 2, …, 2, rows).
    """

    low: np.ndarray
    high: np.ndarray
    moments: np.ndarray

    def at(self, value: int, axes_behind: int) -> "_Faces":
        """Return those of the faces on which one fixed coordinate is 0 or 1, with so many axes behind its own."""
        index = (..., value, *[slice(None)] * axes_behind)
        return _Faces(*(each[index] for each in self))


_Pairs = tuple[np.ndarray, np.ndarray]


def _sum_over_supports(a: np.ndarray, c: np.ndarray, weights: np.ndarray, pairs: _Pairs) -> np.ndarray:
    """Return the upper triangle of M; shapes a (n, rows), c (rows,) -> (pairs, rows)."""
    n = len(a)
    x = _coordinates(n, (), [])
    z = c + sum(a_j * x_j for a_j, x_j in zip(a, x[1:], strict=True))
    faces = {(): _Faces(z, z, x[pairs[0]] * x[pairs[1]] * (z > 0))}
    total = np.zeros((len(pairs[0]), len(c)))
    for k in range(n + 1):
        if k:
            faces = {free: _join(faces, free, a, pairs) for free in combinations(range(n), k)}
        # On a support the features that are off are fixed at 0.
        total += weights[k] * sum(each.moments[(slice(None), *[0] * (n - k))] for each in faces.values())
    return total


def _join(facets: dict[tuple[int, ...], _Faces], free: tuple[int, ...], a: np.ndarray, pairs: _Pairs) -> _Faces:
    """Return the faces with the *free* coordinates, from all faces that have one of these fixed."""
    n, k = len(a), len(free)
    # The facets of coordinate j, at 0 and at 1; behind the axis of j are those of later fixed coordinates and the rows.
    ends = {}
    for i, j in enumerate(free):
        sides = facets[free[:i] + free[i + 1 :]]
        axes_behind = n - j - (k - i - 1)
        ends[j] = sides.at(0, axes_behind), sides.at(1, axes_behind)
    any_0, any_1 = ends[free[0]]
    low, high = np.minimum(any_0.low, any_1.low), np.maximum(any_0.high, any_1.high)
    # The apex lies where z = 0 on the diagonal from the lowest corner to the highest. A whole face has no such point,
    # and no side across the cut either, so that any apex will do: the lowest corner.
    cut = (low < 0) & (high > 0)
    up = np.where(cut, -low, 0) / np.where(cut, high - low, 1)
    apex = {j: np.where(a[j] < 0, 1 - up, up) for j in free}
    parts = (apex[j] * at_0.moments + (1 - apex[j]) * at_1.moments for j, (at_0, at_1) in ends.items())
    based = sum(parts, start=np.zeros(1))
    return _Faces(low, high, _about_apex(based, _coordinates(n, free, [apex[j] for j in free]), k, pairs))


def _about_apex(based: np.ndarray, apex: np.ndarray, k: int, pairs: _Pairs) -> np.ndarray:
    """Return the moments of faces of k dimensions from Σ height ∫_base x̃ x̃ᵀ.

    With y = x - t, which is homogeneous about the apex t, x̃ x̃ᵀ = y yᵀ + y t̃ᵀ + t̃ yᵀ + t̃ t̃ᵀ.
    """
    J, K = pairs
    first = based[: len(apex)] / ((k + 1) * (k + 2)) + apex * (based[0] / (k * (k + 1) * (k + 2)))
    return based / (k + 2) + apex[J] * first[K] + apex[K] * first[J]


def _coordinates(n: int, free: tuple[int, ...], values: list[np.ndarray]) -> np.ndarray:
    """Return x̃ = (1, x) on all faces with the *free* coordinates, given their values; (n+1, 2, …, 2, rows)."""
    fixed = [j for j in range(n) if j not in free]
    ends = np.meshgrid(*[np.arange(2.0)] * len(fixed), indexing="ij")
    x = dict(zip(fixed, (each[..., None] for each in ends), strict=True)) | dict(zip(free, values, strict=True))
    return np.stack(np.broadcast_arrays(np.ones([2] * len(fixed) + [1]), *(x[j] for j in range(n))))
