"""Matching points with the vertices of a polytope by their cosines, which know of no rotation and no order."""

from collections.abc import Sequence
from functools import cache

import numpy as np

# A match is good where it is no further off than so many times the least that any could be; else, so many points are
# tried as the first one. Shapes that are nearly symmetric lead one start in six astray, and hardly ever four.
_NEAR, _TRIES = 1.8, 4


def match(cosines: np.ndarray, pattern: np.ndarray, kinds: Sequence[int] = (0,)) -> np.ndarray:
    """Return which vertex of the *pattern* each point is nearest to being.

    With the assignment a, cosines_ij ≈ pattern_{a_i a_j}. A first point is taken to be each of the vertices *kinds* in
    turn, one of each kind that there is. Then, always, the point is assigned that is the most certain one, by how much
    better its best vertex fits the assigned ones than its second best does: where there is nothing to choose, there is
    a symmetry. At last all are assigned anew, each by its cosines with all others, until none moves. What comes nearest
    is returned; where that is far from what the values alone would allow, other points go first, four in all.

    Shapes: cosines and pattern (k, k) -> (k,). Costs O(k³) for each kind and first point.
    """
    enough = _NEAR * difference(cosines, pattern)
    best, nearest = np.arange(len(cosines)), np.inf
    for first in range(min(_TRIES, len(cosines))):
        for vertex in kinds:
            assignment = _settle(cosines, pattern, _assign(cosines, pattern, first, vertex))
            residual = difference(cosines, pattern, assignment)
            if residual < nearest:
                best, nearest = assignment, residual
        if nearest <= enough:
            break
    return best


def _assign(cosines: np.ndarray, pattern: np.ndarray, point: int, vertex: int) -> np.ndarray:
    """Assign all points one by one, of which the first one is *point*, at this *vertex*."""
    k = len(cosines)
    assignment = np.full(k, -1)
    # What assigning a point to a vertex would cost beside those assigned so far; infinite where one of them is taken.
    costs = np.zeros((k, k))
    for left in range(k - 1, -1, -1):
        assignment[point] = vertex
        costs[point], costs[:, vertex] = np.inf, np.inf
        costs += np.square(cosines[:, point, None] - pattern[vertex])
        if left:
            point = _most_certain(costs)
            vertex = int(costs[point].argmin())
    return assignment


def difference(cosines: np.ndarray, pattern: np.ndarray, assignment: np.ndarray | None = None) -> float:
    """Return the root-mean-square difference between cosines_ij and pattern_{a_i a_j} over i ≠ j; 0 without a pair.

    Without an assignment it is the least that any could give: that of the values in order.
    """
    first, second = _pairs(len(cosines))
    if assignment is None:
        differences = np.sort(cosines[first, second]) - np.sort(pattern[first, second])
    else:
        differences = cosines[first, second] - pattern[assignment[first], assignment[second]]
    return float(np.sqrt(np.square(differences).sum() / max(1, differences.size)))


@cache
def _pairs(k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first and the second points of all pairs of *k*, kept because making them takes as long as a match."""
    first, second = np.triu_indices(k, 1)
    return first, second


def _most_certain(costs: np.ndarray) -> int:
    """Return the point whose best vertex is the furthest ahead of its second best; with one vertex left, any point."""
    best = np.partition(costs, min(1, len(costs) - 1), axis=1)[:, :2]
    assigned = np.isinf(best[:, 0])
    gaps = np.where(assigned, -1, best[:, -1] - np.where(assigned, 0, best[:, 0]))
    return int(gaps.argmax())


def _settle(cosines: np.ndarray, pattern: np.ndarray, assignment: np.ndarray) -> np.ndarray:
    """Assign all points anew by their cosines with all others for as long as that brings them nearer."""
    from scipy.optimize import linear_sum_assignment

    nearest = difference(cosines, pattern, assignment)
    while True:
        # Of Σ_i (cosines_ji - pattern_{v a_i})² only the product tells vertices that are alike apart.
        moved = linear_sum_assignment(cosines @ pattern[assignment], maximize=True)[1]
        residual = difference(cosines, pattern, moved)
        if residual >= nearest:
            return assignment
        assignment, nearest = moved, residual
