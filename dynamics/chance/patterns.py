"""How surely some directions form a shape: how often as many at random come as near to it.

The vertices are taken in an order. As many as the shape has dimensions are its basis: of each, the partial correlations
with those before it are compared with the shape's. Every further vertex is compared with where those before it say it
is, by least squares. At random all of these are independent, whatever came before, so the sum of the squared errors has
an exact law; and in units of their noise they are the residuals that least squares leaves, so that no sum tells more.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from ..polytopes.shapes import Shape
from .laws import Law, SumTail, cosine_error, log_cosine_above, tail, window

_SAME = 1e-9
# A vector adds a dimension to a basis that has at least so much of its length in it.
_WIDE = 0.5


@dataclass(frozen=True, eq=False)
class Pattern:
    """A shape as it is compared with directions, in the order of *order* of its vertices.

    cosines (k, k) are those of the vertices in that order; partials (rank, rank) holds the partial correlations of the
    basis, below its diagonal. Each of *coefficients* (j,)
    makes the next vertex of the j before it, and *gains* are 1 over the noise of that. log_labels is the logarithm of
    how many ways there are to call the same features its vertices that are not the same.
    """

    name: str
    order: tuple[int, ...]
    rank: int
    cosines: np.ndarray
    partials: np.ndarray
    coefficients: tuple[np.ndarray, ...]
    gains: tuple[float, ...]
    log_labels: float
    _tails: dict[int, SumTail] = field(default_factory=dict, repr=False)

    @property
    def size(self) -> int:
        """How many vertices the shape has."""
        return len(self.order)

    def gain(self, vertex: int) -> float:
        """Return 1 over the noise of a comparison with a vertex that the ones before it make, in units of theirs."""
        return self.gains[vertex - self.rank]

    def freedom(self, m: int) -> int:
        """Return how many numbers say where the directions are, up to rotation, in m dimensions."""
        return self.rank * (self.rank - 1) // 2 + (self.size - self.rank) * (m - 1)

    def laws(self, m: int) -> list[Law]:
        """Return the laws of the errors at random, in m dimensions."""
        basis = [
            window(m - i, float(self.partials[j, i]), float(spread(float(self.partials[j, i]))))
            for j in range(1, self.rank)
            for i in range(j)
        ]
        return [*basis, *(cosine_error(m, self.gain(j)) for j in range(self.rank, self.size))]

    def tail(self, m: int) -> SumTail:
        """Return the law of the sum of the errors at random, in m dimensions."""
        if m not in self._tails:
            self._tails[m] = tail(self.laws(m))
        return self._tails[m]

    def error(self, cosines: np.ndarray, features: Sequence[int]) -> float:
        """Return the sum of the errors of *features*, which are in the order of the pattern; 0 where it is perfect.

        Shapes: cosines (n, n).
        """
        group, first = np.asarray(features)[None], np.zeros(1, int)
        return float(sum(self.next_error(cosines, group[:, :k], first, group[:, k])[0] for k in range(1, self.size)))

    def next_error(self, cosines: np.ndarray, groups: np.ndarray, group: np.ndarray, feature: np.ndarray) -> np.ndarray:
        """Return the errors of features (P,), each as the next vertex of one (P,) of the groups (G, k); (P,)."""
        k = groups.shape[1]
        last = cosines[groups[group], feature[:, None]]
        inner = cosines[groups[:, :, None], groups[:, None, :]]
        if k < self.rank:
            targets = self.partials[k, :k]
            return ((_partial(inner, last, group) - targets) ** 2 / spread(targets)).sum(axis=1)
        a = self.coefficients[k - self.rank]
        length = np.sqrt(np.maximum(np.einsum("i,pij,j->p", a, inner, a), np.finfo(float).tiny))
        return 2 * np.maximum(0, 1 - last @ a / length[group]) * self.gain(k)

    def partial(self, inner: np.ndarray, vertex: int) -> np.ndarray:
        """Return the partial correlations of a vertex of the basis with those before it; (P, k, k) -> (P, vertex)."""
        return _partial(inner[:, :vertex, :vertex], inner[:, :vertex, vertex])

    def log_chance(self, error: float, m: int, n: int) -> float:
        """Return a bound of the logarithm of the chance that some of n directions at random come as near.

        *error* is that of error(), in m dimensions. It is the expected number of groups that do, exact as long as
        that is small.
        """
        log_p = log_cosine_above(1 - error, m) if self.size == 2 else self.tail(m).at(error)
        return min(0.0, self.log_count(n) + log_p)

    def log_count(self, n: int) -> float:
        """Return the logarithm of how many groups there are among n features, each called in all ways."""
        return log_choose(n, self.size) + self.log_labels


def spread(target: np.ndarray | float) -> np.ndarray | float:
    """Return the variance that noise of variance 1 in each direction gives to a cosine near *target*."""
    return 2 * np.maximum(0, 1 - np.square(target))


def log_choose(n: int, k: int) -> float:
    """Return log of n over k, the number of ways to choose k of n."""
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) if k <= n else -math.inf


@cache
def pattern_of(shape: Shape) -> Pattern:
    """Return how a shape of more than one vertex is compared with directions."""
    vertices = shape.vertices
    order = _ordered(vertices)
    in_order = vertices[:, order]
    rank = int(np.linalg.matrix_rank(vertices))
    made = [np.linalg.pinv(in_order[:, :j]) @ in_order[:, j] for j in range(rank, len(order))]
    gains = tuple(1 / float(1 + np.square(a).sum()) for a in made)
    cosines = in_order.T @ in_order
    partials = np.zeros((rank, rank))
    for k in range(1, rank):
        partials[k, :k] = _partial(cosines[None, :k, :k], cosines[None, :k, k])[0]
    labels = math.lgamma(len(order) + 1) - _log_symmetries(shape.cosines)
    return Pattern(shape.name, tuple(order), rank, cosines, partials, tuple(made), gains, labels)


@cache
def faint_pattern_of(shape: Shape, noise: float) -> Pattern:
    """Return how a shape is compared with directions whose noise is so many times their part in the shape.

    *noise* is the ratio of their squared lengths. Where it is large, all cosines are smaller than the shape's, and the
    best guess of a vertex is Σ_i a_i u_i of those before it, with a = (G + noise)⁻¹ t of their cosines G and those with
    it, t. So every vertex is compared with that guess. The sum of the errors depends on the order of the vertices, and
    each order counts.
    """
    order = _ordered(shape.vertices)
    cosines = shape.vertices[:, order].T @ shape.vertices[:, order]
    made, gains = [], []
    for j in range(1, len(order)):
        a = np.linalg.solve(cosines[:j, :j] + noise * np.eye(j), cosines[:j, j])
        told = float(a @ cosines[:j, j])
        made.append(a)
        gains.append(math.sqrt(told) / (1 + noise - told))
    labels = math.lgamma(len(order))
    return Pattern(shape.name, tuple(order), 1, cosines, np.zeros((1, 1)), tuple(made), tuple(gains), labels)


def _partial(inner: np.ndarray, last: np.ndarray, group: np.ndarray | slice = slice(None)) -> np.ndarray:
    """Return what is left of the cosines of a vector with k others, each once those before it are accounted for.

    Shapes: inner (G, k, k) the cosines of the others, of which *group* says whose they are, last (P, k) -> (P, k).
    """
    k = inner.shape[-1]
    # Vectors may lie in one plane too.
    lower = np.linalg.cholesky(inner + _SAME * np.eye(k))[group]
    along = np.zeros_like(last)
    for i in range(k):
        along[:, i] = (last[:, i] - np.einsum("pj,pj->p", lower[:, i, :i], along[:, :i])) / lower[:, i, i]
    left = np.sqrt(np.maximum(1 - np.cumsum(along**2, axis=1) + along**2, np.finfo(float).tiny))
    return np.clip(along / left, -1, 1)


def _ordered(vertices: np.ndarray) -> list[int]:
    """Return an order in which a basis comes first, as wide as can be, then whichever vertex is known best."""
    order, rest = [0], list(range(1, vertices.shape[1]))
    rank = int(np.linalg.matrix_rank(vertices))
    while rest:
        before = vertices[:, order]
        made = np.linalg.pinv(before) @ vertices[:, rest]
        if len(order) < rank:
            left = np.linalg.norm(vertices[:, rest] - before @ made, axis=0)
            # Of those that are wide enough the one that chance comes near least: the farthest from a right angle.
            angled = np.abs(vertices[:, rest].T @ vertices[:, order[0]])
            pick = int(np.where(left >= min(_WIDE, left.max()), 1 + angled, left).round(9).argmax())
        else:
            pick = int(np.square(made).sum(0).round(9).argmin())
        order.append(rest.pop(pick))
    return order


def _log_symmetries(cosines: np.ndarray) -> float:
    """Return the logarithm of how many orders of the vertices leave the cosines as they are."""
    k = len(cosines)
    apart = cosines[~np.eye(k, dtype=bool)]
    if np.ptp(apart) < _SAME:
        return math.lgamma(k + 1)
    return math.log(_count_orders(cosines, []))


def _count_orders(cosines: np.ndarray, taken: Sequence[int]) -> int:
    done = len(taken)
    if done == len(cosines):
        return 1
    wanted = cosines[:done, done]
    fits = [
        vertex
        for vertex in range(len(cosines))
        if vertex not in taken and np.abs(cosines[list(taken), vertex] - wanted).max(initial=0) < _SAME
    ]
    return sum(_count_orders(cosines, [*taken, vertex]) for vertex in fits)
