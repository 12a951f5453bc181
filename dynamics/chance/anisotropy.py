"""How far directions crowd around some features, as the others of the same matrix say; a group does not explain itself.

A layer that was trained prefers some directions: what is random has its covariance, and its cosines with a direction that
many others lie along are larger than 1 / m. Every error of a group is therefore replaced by the one that would be as rare of
directions evenly spread; the sum of those has the law that it has on the sphere.
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from .crowding import Crowding, even_difference, even_distance
from .patterns import Pattern, spread

_SAME = 1e-9
# So many numbers are kept for the groups that are looked at together.
_MOST_KEPT = 2**21


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
        apart = self.cosines - np.diag(np.diagonal(self.cosines))
        for group in self._groups:
            apart[np.ix_(group, group)] = 0
        return apart

    @cached_property
    def _once(self) -> np.ndarray:
        return self._apart @ self.cosines

    @cached_property
    def _twice(self) -> np.ndarray:
        return self.cosines @ self._once

    def crowding(self, groups: np.ndarray, before: np.ndarray, along: np.ndarray) -> Crowding:
        """Return how all other features lie along one direction of each group, once i orthogonal ones are left out.

        Shapes: groups (P, k); before (P, i, k) and along (P, k) say how a direction is made of the group's features.
        """
        cosines, n, i = self.cosines, len(self.cosines), before.shape[1]
        made = np.concatenate([before, along[:, None]], axis=1)
        outer = cosines[groups]
        np.put_along_axis(outer, groups[:, None, :], 0, axis=2)
        shadows = np.square(made @ outer)
        left = 1 - shadows[:, :i].sum(axis=1)
        others = np.ones((len(groups), n), bool)
        np.put_along_axis(others, groups, values=False, axis=1)
        left = np.where(others, left, 0)
        rest = np.where(others, left - shadows[:, i], 0)
        share = _shrunk(shadows[:, i].sum(axis=1) / _positive(left.sum(axis=1)), self.m - i, others.sum(axis=1))
        even = self.m - i - 1
        squares, pairs, weight = self._pairs(groups, made, outer, rest, others)
        alike = _shrunk(squares / _positive(weight), even, pairs / 2) if even > 1 else np.ones(len(groups))
        nu = 1 / alike
        return Crowding(nu, share / (1 - share) * nu)

    def _pairs(self, groups, made, outer, rest, others):
        """Return the sums over pairs of others of their squared cosines in what is left, of 1, and of its squares."""
        rows, columns = groups[:, :, None], groups[:, None, :]
        inner, once, twice = self.cosines[rows, columns], self._once[rows, columns], self._twice[rows, columns]
        apart = self._apart[rows, columns]
        # Σ C_gj E_jk C_kh over the others only.
        through = twice - inner @ once - np.swapaxes(once, 1, 2) @ inner + inner @ apart @ inner
        total = np.square(self._apart).sum() - 2 * self._squares[groups].sum(axis=1) + np.square(apart).sum(axis=(1, 2))
        turned = np.swapaxes(made, 1, 2)
        y = made @ outer
        gram = y @ np.swapaxes(y, 1, 2)
        each = np.square(y).sum(axis=1)
        squares = total - 2 * np.trace(made @ through @ turned, axis1=1, axis2=2) + np.square(gram).sum(axis=(1, 2))
        squares -= np.square(each).sum(axis=1)
        pairs = others.sum(axis=1) * (others.sum(axis=1) - 1.0)
        weight = rest.sum(axis=1) ** 2 - np.square(rest).sum(axis=1)
        for group in self._groups:
            part = y[:, :, group]
            squares -= np.square(part @ np.swapaxes(part, 1, 2)).sum(axis=(1, 2)) - np.square(each[:, group]).sum(axis=1)
            weight -= rest[:, group].sum(axis=1) ** 2 - np.square(rest[:, group]).sum(axis=1)
            there = others[:, group].sum(axis=1)
            pairs -= there * (there - 1)
        return squares, pairs, weight

    @cached_property
    def _squares(self) -> np.ndarray:
        return np.square(self._apart).sum(axis=1)


def _positive(values: np.ndarray) -> np.ndarray:
    return np.where(values > _SAME, values, 1)


def _shrunk(mean: np.ndarray, m: int, count: np.ndarray) -> np.ndarray:
    """Return mean squared cosines in m dimensions, (P,), shrunk to 1 / m, that of directions evenly spread.

    They are shrunk as far as the scatter of so many of them explains it, by James and Stein's rule, and never smaller.
    """
    excess = np.maximum(mean - 1 / m, 0)
    variance = 2 * (m - 1) / (m * m * (m + 2)) / np.maximum(count, 1)
    kept = np.maximum(0, 1 - variance / np.where(excess > 0, excess, 1) ** 2)
    return np.where(count > 0, np.minimum(1 / m + excess * kept, 1 - _SAME), 1 / m)


def even_errors(pattern: Pattern, groups: np.ndarray, around: Surroundings) -> np.ndarray:
    """Return the sums of the errors of groups as they would be as rare of directions evenly spread, (P, k) -> (P,)."""
    at_once = max(1, _MOST_KEPT // (len(around.cosines) * pattern.size))
    parts = [_even_errors(pattern, groups[k : k + at_once], around) for k in range(0, len(groups), at_once)]
    return np.concatenate(parts) if parts else np.zeros(0)


def _even_errors(pattern: Pattern, groups: np.ndarray, around: Surroundings) -> np.ndarray:
    m, k = around.m, pattern.size
    inner = around.cosines[groups[:, :, None], groups[:, None, :]]
    # The rows make orthonormal directions of the group's features, in their order.
    lower = np.linalg.cholesky(inner[:, : pattern.rank, : pattern.rank] + _SAME * np.eye(pattern.rank))
    basis = np.zeros((len(groups), pattern.rank, k))
    basis[:, :, : pattern.rank] = np.linalg.inv(lower)
    total = np.zeros(len(groups))
    for i in range(pattern.rank - 1):
        crowding = around.crowding(groups, basis[:, :i], basis[:, i])
        for j in range(i + 1, pattern.rank):
            target = float(pattern.partials[j, i])
            partial = pattern.partial(inner, j)[:, i]
            difference = even_difference(np.abs(partial - target), target, m - i, crowding)
            total += difference**2 / float(spread(target))
    for j in range(pattern.rank, k):
        a = pattern.coefficients[j - pattern.rank]
        length = np.sqrt(np.maximum(np.einsum("i,pij,j->p", a, inner[:, :j, :j], a), np.finfo(float).tiny))
        made = np.zeros((len(groups), k))
        made[:, :j] = a / length[:, None]
        crowding = around.crowding(groups, np.zeros((len(groups), 0, k)), made)
        distance = np.maximum(0, 1 - np.einsum("pi,pi->p", inner[:, j, :], made))
        total += 2 * even_distance(distance, m, crowding) * pattern.gain(j)
    return total
