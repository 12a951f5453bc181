"""How surely all groups of a matrix together are no chance: what they form, and that they keep out of each other's way.

In few dimensions no single pair is beyond chance, and five that are orthogonal to each other are.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..polytopes.identification import Polytope
from ..polytopes.matching import match
from ..polytopes.shapes import Shape, shapes
from .laws import Law, projection, tail
from .patterns import Pattern, log_choose, pattern_of

# A group that keeps out of another's way is off by the noise of both.
_GAIN = 0.5
# So much of a vector's length or less is rounding.
_NOTHING = 1e-9
# How many kinds of shapes might have been there instead of each kind that is.
_KINDS = 12


@dataclass(frozen=True, eq=False)
class Group:
    """Some features in the order of a pattern, None for a feature by itself."""

    features: tuple[int, ...]
    pattern: Pattern | None

    @property
    def rank(self) -> int:
        """The dimensions that the shape spans."""
        return 1 if self.pattern is None else self.pattern.rank


def shape_of(name: str, size: int) -> Shape | None:
    """Return the shape of that name and so many vertices; None where the catalogue has none."""
    return next((shape for shape in shapes(size) if shape.name == name), None)


def group_of(polytope: Polytope, cosines: np.ndarray) -> Group | None:
    """Return a polytope's features in the order of its pattern; None for what has no shape."""
    features = np.array(polytope.features)
    shape = shape_of(polytope.name, len(features))
    if shape is None:
        return None
    if len(features) == 1:
        return Group((int(features[0]),), None)
    pattern = pattern_of(shape)
    vertices = match(cosines[np.ix_(features, features)], shape.cosines, shape.kinds)
    feature_at = dict(zip(vertices.tolist(), features.tolist(), strict=True))
    return Group(tuple(feature_at[vertex] for vertex in pattern.order), pattern)


def log_chance_of_groups(groups: Sequence[Group], errors: Sequence[float], unit: np.ndarray, n: int) -> float:
    """Return a bound of the logarithm of the chance that n directions at random form such groups as well, together.

    errors are those of the groups, and unit (m, k) holds the directions. That the groups are what they are and that
    they are orthogonal to each other are independent at random, and each is told by a sum of errors; the product of
    both chances has the law of P (1 - ln P), by Fisher. That is multiplied by how many ways there are to choose the
    groups, and what they are.
    """
    m = len(unit)
    within = [law for group in groups if group.pattern for law in group.pattern.laws(m)]
    log_p, tests = 0.0, 0
    if within:
        log_p, tests = tail(within).at(sum(errors)), 1
    apart, error = _apart(groups, unit)
    if apart:
        log_p, tests = log_p + tail(apart).at(error), tests + 1
    if tests > 1 and log_p > -math.inf:
        log_p += math.log1p(-log_p)
    return min(0.0, log_p + _log_ways(groups, n))


def _log_ways(groups: Sequence[Group], n: int) -> float:
    left, ways = n, 0.0
    names: dict[str, int] = {}
    for group in groups:
        size, name = len(group.features), group.pattern.name if group.pattern else ""
        ways += log_choose(left, size) + (group.pattern.log_labels if group.pattern else 0.0)
        left -= size
        names[name] = names.get(name, 0) + 1
    alike = sum(math.lgamma(count + 1) for count in names.values())
    return ways - alike + len(names) * math.log(_KINDS * max(n, 1))


def _apart(groups: Sequence[Group], unit: np.ndarray) -> tuple[list[Law], float]:
    """Return the laws of the squared projections of each basis on the groups before it, and their sum.

    Of a vector of a basis counts what is left once those before it are accounted for: its direction is at random
    whatever their cosines are.
    """
    m, laws, total = len(unit), [], 0.0
    before = np.zeros((m, 0))
    for group in groups:
        own = np.zeros((m, 0))
        for feature in group.features[: group.rank]:
            left = _without(unit[:, [feature]], own)
            length = float(np.linalg.norm(left))
            others = _basis(_without(before, own))
            d, dimensions = others.shape[1], m - own.shape[1]
            if length > _NOTHING and 0 < d < dimensions:
                laws.append(projection(d, dimensions, _GAIN))
                total += _GAIN * float(np.square(others.T @ left / length).sum())
            own = _basis(np.hstack([own, left / max(length, _NOTHING)]))
        before = _basis(np.hstack([before, own]))
    return laws, total


def _without(vectors: np.ndarray, basis: np.ndarray) -> np.ndarray:
    return vectors - basis @ (basis.T @ vectors)


def _basis(vectors: np.ndarray) -> np.ndarray:
    """Return an orthonormal basis of what the columns span."""
    if not vectors.shape[1]:
        return vectors
    left, sizes, _ = np.linalg.svd(vectors, full_matrices=False)
    return left[:, sizes > _NOTHING]
