"""How far directions crowd around some features, as all other cosines of the same matrix say; no group explains itself.

A layer that was trained prefers some directions: what is random has its covariance, and its squared cosines with a
direction that many others lie along are larger than 1 / m. Every error of a group is therefore replaced by the one that
would be as rare of directions evenly spread; the sum of those has the law that it has on the sphere.
"""

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from .crowding import Crowding, even_difference, even_distance
from .patterns import Pattern, spread

_SAME = 1e-9
# So many standard deviations farther from evenly spread than at random is what directions that do not crowd may be.
_SURE = 2.0
# So many numbers are kept for the groups that are looked at together.
_MOST_KEPT = 2**21
# Chernoff's bound is the least over so many tilts, and is looked at for so many values between the end and the mean.
_TILTS, _ENDS = np.linspace(0.02, 0.98, 25), 40


class Surroundings:
    """The features of a matrix, by whose cosines (n, n) in m dimensions it is told how directions crowd.

    No two features of one of the *groups* tell anything of each other.
    """

    def __init__(self, cosines: np.ndarray, m: int, groups: Sequence[Sequence[int]] = ()):
        self.cosines, self.m = cosines, m
        self._groups = [np.asarray(group) for group in groups]

    @cached_property
    def _apart(self) -> np.ndarray:
        """The cosines of all pairs that tell anything, 0 of the others, (n, n)."""
        return np.where(self._tells, self.cosines, 0)

    @cached_property
    def _tells(self) -> np.ndarray:
        """Which pairs tell anything, (n, n)."""
        tells = ~np.eye(len(self.cosines), dtype=bool)
        for group in self._groups:
            tells[np.ix_(group, group)] = False
        return tells

    @cached_property
    def _once(self) -> np.ndarray:
        return self._apart @ self.cosines

    @cached_property
    def _twice(self) -> np.ndarray:
        return self.cosines @ self._once

    def crowding(self, groups: np.ndarray, before: np.ndarray, along: np.ndarray) -> Crowding:
        """Return how all other features lie along one direction of each group, once i orthogonal ones are left out.

        Their mean squared cosine with the direction counts as one standard deviation larger than is found, as that of
        any direction at least, and all of it as surely as directions crowd: so few cosines tell it badly.

        Shapes: groups (P, k); before (P, i, k) and along (P, k) say how a direction is made of the group's features.
        """
        cosines, n, i = self.cosines, len(self.cosines), before.shape[1]
        even, surely = max(1, self.m - i - 1), self._surely(groups)
        if not surely.any():
            return Crowding(np.full(len(groups), float(even)), np.ones(len(groups)))
        made = np.concatenate([before, along[:, None]], axis=1)
        outer = cosines[groups]
        np.put_along_axis(outer, groups[:, None, :], 0, axis=2)
        shadows = np.square(made @ outer)
        left = 1 - shadows[:, :i].sum(axis=1)
        others = np.ones((len(groups), n), bool)
        np.put_along_axis(others, groups, values=False, axis=1)
        left = np.where(others, left, 0)
        rest = np.where(others, left - shadows[:, i], 0)
        found = shadows[:, i].sum(axis=1) / _positive(left.sum(axis=1))
        squares, weight = self._pairs(groups, made, outer, rest)
        alike = np.clip(squares / _positive(weight), 1 / even, 1)
        nu = 1 / (1 / even + surely * (alike - 1 / even))
        error = np.sqrt(2 / np.maximum(others.sum(axis=1), 1))
        share = 1 / (nu + 1) + surely * (np.maximum(found, 1 / (nu + 1)) * (1 + error) - 1 / (nu + 1))
        share = np.minimum(share, 1 - _SAME)
        return Crowding(nu, share / (1 - share) * nu)

    def _surely(self, groups: np.ndarray) -> np.ndarray:
        """Return how surely directions crowd, (P,): 0 for as much as scatter may explain, up to 1.

        All cosines tell of it but those between the features of the group, so that others that lie elsewhere by chance
        do not say alone that nothing crowds.
        """
        inside = groups[:, :, None], groups[:, None, :]
        squares = self._squares.sum() - np.square(self._apart[inside]).sum(axis=(1, 2))
        pairs = np.maximum(1, (self._tells.sum() - self._tells[inside].sum(axis=(1, 2))) / 2)
        away = (squares / (2 * pairs) - 1 / self.m) / np.sqrt(_variance(self.m) / pairs)
        return np.maximum(0, 1 - (_SURE / np.maximum(away, _SAME)) ** 2)

    def _pairs(
        self, groups: np.ndarray, made: np.ndarray, outer: np.ndarray, rest: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the sums over pairs of others of their squared products in what is left, and of l_j² l_k².

        Of C_jk - y_j · y_k, with the projections y on the directions, all sums but those of y are of the group alone.
        """
        rows, columns = groups[:, :, None], groups[:, None, :]
        inner, once, twice = (matrix[rows, columns] for matrix in (self.cosines, self._once, self._twice))
        apart = self._apart[rows, columns]
        through = twice - inner @ once - np.swapaxes(once, 1, 2) @ inner + inner @ apart @ inner
        total = self._squares.sum() - 2 * self._squares[groups].sum(axis=1) + np.square(apart).sum(axis=(1, 2))
        y, lengths = made @ outer, np.sqrt(np.maximum(rest, 0))[:, None]
        squares = total - 2 * np.trace(made @ through @ np.swapaxes(made, 1, 2), axis1=1, axis2=2) + _of_pairs(y)
        weight = _of_pairs(lengths)
        for group in self._groups:
            squares -= _of_pairs(y[:, :, group])
            weight -= _of_pairs(lengths[:, :, group])
        return squares, weight

    @cached_property
    def _squares(self) -> np.ndarray:
        return np.square(self._apart).sum(axis=1)


def _of_pairs(y: np.ndarray) -> np.ndarray:
    """Return Σ (y_j · y_k)² over all pairs j ≠ k, both ways; (P, i, n) -> (P,)."""
    return np.square(y @ np.swapaxes(y, 1, 2)).sum(axis=(1, 2)) - np.square(np.square(y).sum(axis=1)).sum(axis=1)


def _positive(values: np.ndarray) -> np.ndarray:
    return np.where(values > _SAME, values, 1)


def _variance(m: int) -> float:
    """Return the variance of a squared cosine of directions evenly spread."""
    return 2 * (m - 1) / (m * m * (m + 2))


def even_errors(pattern: Pattern, groups: np.ndarray, around: Surroundings, most: float = math.inf) -> np.ndarray:
    """Return the sums of the errors of groups as they would be as rare of directions evenly spread, (P, k) -> (P,).

    Of a sum beyond *most* it is told only that it is.
    """
    at_once = max(1, _MOST_KEPT // (len(around.cosines) * pattern.size))
    parts = [_even_errors(pattern, groups[k : k + at_once], around, most) for k in range(0, len(groups), at_once)]
    return np.concatenate(parts) if parts else np.zeros(0)


def _even_errors(pattern: Pattern, groups: np.ndarray, around: Surroundings, most: float) -> np.ndarray:
    total, within = np.zeros(len(groups)), np.arange(len(groups))
    for vertex in range(1, pattern.size):
        total[within] += (
            _of_basis(pattern, groups[within], around, vertex)
            if vertex < pattern.rank
            else _of_made(pattern, groups[within], around, vertex)
        )
        within = within[total[within] <= most]
    return total


def _of_basis(pattern: Pattern, groups: np.ndarray, around: Surroundings, vertex: int) -> np.ndarray:
    """Return the errors of a vertex of the basis, each with one before it, (P,)."""
    inner = around.cosines[groups[:, :, None], groups[:, None, :]]
    # The rows make orthonormal directions of the group's features, in their order.
    made = np.zeros((len(groups), vertex, pattern.size))
    made[:, :, :vertex] = np.linalg.inv(np.linalg.cholesky(inner[:, :vertex, :vertex] + _SAME * np.eye(vertex)))
    partial, errors = pattern.partial(inner, vertex), np.zeros(len(groups))
    for i in range(vertex):
        crowding = around.crowding(groups, made[:, :i], made[:, i])
        target = float(pattern.partials[vertex, i])
        difference = even_difference(np.abs(partial[:, i] - target), target, around.m - i, crowding)
        errors += difference**2 / float(spread(target))
    return errors


def _of_made(pattern: Pattern, groups: np.ndarray, around: Surroundings, vertex: int) -> np.ndarray:
    """Return the errors of a vertex that the ones before it make, (P,)."""
    inner = around.cosines[groups[:, :, None], groups[:, None, :]]
    a = pattern.coefficients[vertex - pattern.rank]
    length = np.sqrt(np.maximum(np.einsum("i,pij,j->p", a, inner[:, :vertex, :vertex], a), np.finfo(float).tiny))
    made = np.zeros((len(groups), pattern.size))
    made[:, :vertex] = a / length[:, None]
    crowding = around.crowding(groups, np.zeros((len(groups), 0, pattern.size)), made)
    distance = np.maximum(0, 1 - np.einsum("pi,pi->p", inner[:, vertex], made))
    return 2 * even_distance(distance, around.m, crowding) * pattern.gain(vertex)


def shares_at(unit: np.ndarray, log_level: float) -> tuple[float, float] | None:
    """Return the least and the largest mean squared cosine of a direction with others, but for chances below a level.

    Directions with the covariance S, of trace 1, have that mean uᵀ S u of their own. P(uᵀ S u ≤ x) is at most
    Π_k (1 + 2 t λ_k (λ_k - x))^(-1/2) for each t, by Chernoff's bound, with the eigenvalues λ of S: those of the
    directions *unit* (m, n), drawn together until they scatter as much as the cosines of the pairs do. None where
    these scatter no more than evenly spread ones.
    """
    m, n = unit.shape
    gram = unit.T @ unit if n <= m else unit @ unit.T
    scatter = float(np.square(gram).sum()) / n**2
    excess = (scatter * n - 1) / (n - 1) - 1 / m
    # As far as the scatter of so many cosines explains it, it is none (James and Stein's rule).
    excess -= _variance(m) / (n * (n - 1) / 2) / max(excess, _SAME)
    if excess <= _SAME:
        return None
    found = np.zeros(m)
    found[: len(gram)] = np.linalg.eigvalsh(gram) / n
    drawn = 1 / m + (excess / max(scatter - 1 / m, excess)) ** 0.5 * (found - 1 / m)
    eigenvalues = np.maximum(drawn, 0)
    mean = float(np.square(eigenvalues).sum())
    low, high = (np.linspace(end, mean, _ENDS + 2)[1:-1] for end in (eigenvalues.min(), eigenvalues.max()))
    below, above = _log_chance(eigenvalues, low, 1), _log_chance(eigenvalues, high, -1)
    return float(low[max(0, (below < log_level).sum() - 1)]), float(high[max(0, (above < log_level).sum() - 1)])


def _log_chance(eigenvalues: np.ndarray, ends: np.ndarray, side: int) -> np.ndarray:
    """Return a bound of the logarithm of P(uᵀ S u ≤ x), or of ≥ for the other *side*, of each x of *ends*."""
    forms = side * eigenvalues * (eigenvalues - ends[:, None])
    most = 0.5 / np.maximum(-forms.min(axis=1), np.finfo(float).tiny)
    tilts = most[:, None] * _TILTS
    return (-0.5 * np.log1p(2 * tilts[:, :, None] * forms[:, None, :]).sum(axis=2)).min(axis=1)
