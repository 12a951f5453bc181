"""Groups of features that no chance would make, found among all others: every group of the small shapes is tried."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ..polytopes.shapes import Shape, shapes
from .anisotropy import Surroundings, even_errors
from .evidence import log_evidence
from .faint import followed
from .patterns import Pattern, faint_pattern_of, pattern_of, spread

# The shapes that are sought: the pairs, and the polytopes of the energy levels of up to five vertices.
SOUGHT = ("merged", "digon", "triangle", "tetrahedron", "pentagon")
_SIZES = {"merged": 2, "digon": 2, "triangle": 3, "tetrahedron": 4, "pentagon": 5}
# Noise moves a cosine by so many standard deviations at most.
_DEVIATIONS = 3.5
# The errors of cosines beyond that are of second order, and as large as their sum may be.
_PARALLEL = 0.95
# A pentagon is sought also where each vector is as much noise as vertex: of so many numbers it is told even there.
_FAINT, _NOISE = ("pentagon",), 1.0
# So many pairs of a group and a feature are looked at for one shape at a time; of more, those of the best groups.
_MOST_PAIRS = 2**21


@dataclass(frozen=True)
class Found:
    """A group of features, in the order of the vertices of its pattern, and the logarithm of its chance."""

    name: str
    features: tuple[int, ...]
    log_chance: float


def sought(name: str) -> Pattern:
    """Return the pattern of one of the shapes that are SOUGHT."""
    return pattern_of(_shape(name))


def faint(name: str) -> Pattern:
    """Return how a shape that is SOUGHT is compared with features that are as much noise as vertex."""
    return faint_pattern_of(_shape(name), _NOISE)


def _shape(name: str) -> Shape:
    return next(shape for shape in shapes(_SIZES[name]) if shape.name == name)


def search(cosines: np.ndarray, m: int, log_levels: dict[str, float], *, excess: float = 0.0) -> list[Found]:
    """Return the groups whose chance is below a shape's level, the surest first; no feature is in two.

    log_levels has the logarithm of the level for each of the shapes SOUGHT that is to be found. *excess* is that of the
    kurtosis of cosines over that of directions on the sphere, times m: entries of an even distribution, as layers are
    initialised with, make large cosines more common, by exp(excess m cos⁴ / 24) for each.

    Shapes: cosines (n, n) between features in m ≥ 3 dimensions. Every group is tried up to about a hundred features;
    of more, where too many groups are begun, those are followed that begin best.
    """
    around = Surroundings(cosines, m)
    found = [each for name, level in log_levels.items() for each in _of_shape(name, around, level)]
    found = [_corrected(each, cosines, m * excess) for each in found]
    found = [each for each in found if each.log_chance < log_levels[each.name]]
    found.sort(key=lambda each: _log_sure(each, cosines, m) + log_levels[each.name], reverse=True)
    chosen: list[Found] = []
    taken: set[int] = set()
    for each in found:
        if taken.isdisjoint(each.features):
            chosen.append(each)
            taken.update(each.features)
    return chosen


def _log_sure(found: Found, cosines: np.ndarray, m: int) -> float:
    """Return the evidence for a group against that for each other, by Bayes' rule: it is one of many of its shape."""
    pattern = sought(found.name)
    inner = cosines[np.ix_(found.features, found.features)]
    return log_evidence(pattern, inner, m) - pattern.log_count(len(cosines))


def _corrected(found: Found, cosines: np.ndarray, excess: float) -> Found:
    """Return a group with its chance by the first term of Edgeworth's expansion."""
    inner = cosines[np.ix_(found.features, found.features)]
    more = excess * float(np.triu(inner**4, 1).sum()) / 24
    return replace(found, log_chance=min(0.0, found.log_chance + more))


def _of_shape(name: str, around: Surroundings, log_level: float) -> Iterator[Found]:
    pattern, m, n = sought(name), around.m, len(around.cosines)
    if n < pattern.size or m < pattern.rank:
        return
    patterns = (pattern, faint(name)) if name in _FAINT else (pattern,)
    log_tests = math.log(len(patterns))
    for each in patterns:
        most = each.tail(m).below(log_level - log_tests - each.log_count(n))
        if not most:
            continue
        groups = _sought(each, around.cosines, m, most) if each is pattern else followed(each, around.cosines, most)
        errors = even_errors(each, groups, around, most)
        within = errors <= most
        for group, error in zip(groups[within].tolist(), errors[within].tolist(), strict=True):
            yield Found(name, tuple(group), min(0.0, each.log_chance(error, m, n) + log_tests))


def _sought(pattern: Pattern, cosines: np.ndarray, m: int, most: float) -> np.ndarray:
    """Return the groups whose errors add up to no more than *most*, (P, k)."""
    seeker = _Seeker(pattern, cosines, m, most)
    groups, errors = np.arange(len(cosines))[:, None], np.zeros(len(cosines))
    for _ in range(1, pattern.size):
        groups, errors = seeker.extend(groups, errors)
    return groups


class _Seeker:
    """Makes groups of a pattern larger, vertex by vertex, as long as their errors add up to no more than *most*.

    A cosine is passed over that is farther from the shape's than noise would make it for which the sum is at its limit.
    """

    def __init__(self, pattern: Pattern, cosines: np.ndarray, m: int, most: float):
        self._pattern, self._cosines, self._m, self._most = pattern, cosines, m, most
        self._noise = most / pattern.freedom(m)
        self._near: dict[float, np.ndarray] = {}
        features = np.arange(len(cosines))
        # The vertices of a shape are alike, so that the first may be the first feature.
        self._later = features[:, None] < features

    def extend(self, groups: np.ndarray, errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the groups (P, k + 1) that are made of *groups* (P, k) and one more feature, and their errors (P,)."""
        kept = errors.argsort()[: _MOST_PAIRS // len(self._cosines)]
        groups, errors = groups[kept], errors[kept]
        vertex = groups.shape[1]
        ordered = vertex - 1 if self._pattern.log_labels == 0 else 0
        may_be = self._later[groups[:, ordered]]
        for k in range(vertex):
            target = float(self._pattern.cosines[k, vertex])
            may_be &= self._near_to(target)[groups[:, k]]
        np.put_along_axis(may_be, groups, values=False, axis=1)
        group, feature = np.divmod(np.flatnonzero(may_be), len(self._cosines))
        total = errors[group] + self._pattern.next_error(self._cosines, groups, group, feature)
        within = total <= self._most
        return np.concatenate([groups[group[within]], feature[within, None]], axis=1), total[within]

    def _near_to(self, target: float) -> np.ndarray:
        """Return which cosines may be *target* under noise, (n, n): it scatters them, and makes them smaller."""
        key = round(target, 6)
        if key not in self._near:
            reach = _DEVIATIONS * (self._noise * spread(target)) ** 0.5
            away = 2 * self._most if abs(target) > _PARALLEL else reach
            shrunk = target / (1 + self._noise * self._m)
            low, high = min(target, shrunk) - away, max(target, shrunk) + away
            self._near[key] = (low <= self._cosines) & (self._cosines <= high)
        return self._near[key]
