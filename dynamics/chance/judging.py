"""Judges what may be said of the features of a matrix: what no chance would say too."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..geometry.measures import measure
from ..polytopes.identification import NEGLIGIBLE, Polytope, identify, typical_norm
from ..polytopes.identification import TOLERANCE as MATCHES
from ..polytopes.matching import difference, match
from .anisotropy import Surroundings, even_errors, shares_at
from .dimensionalities import expected, log_chance_of_all, log_chances
from .motion import Moves
from .search import SOUGHT, Found, search
from .verdict import AS_RANDOM, MISSING, NEVER_MOVED, UNNAMED, Verdict, median_of
from .wholes import Group, group_of, log_chance_of_groups, shape_of

# Of a hundred recordings of which nothing is true, one has anything named: in all its matrices, features and rows.
FAMILY_WISE = 0.01
# How that is shared out within a matrix. The digon gets most, and more in few dimensions: it is told by m - 1 numbers,
# and of three a level twice as low costs a fifth of the noise in which it is found. What is told by more hardly feels a
# factor of ten.
OF_ROWS, _OF_DIGONS, _FEW_NUMBERS = 0.04, 0.7, 4
_OF_REST = {
    "triangle": 0.25,
    "tetrahedron": 0.235,
    "pentagon": 0.185,
    "merged": 0.04,
    "others": 0.03,
    "all": 0.16,
    "levels": 0.05,
    "space": 0.05,
}
# With no more dimensions than that any two features are nearly a digon or dedicated, and so few have no more than three
# cosines to tell by.
_PLANE, _FEW = 2, 3
# Dedicated is D = 1.
_DEDICATED = 0.95
# Of more features than that nobody wants to wait for the names or the search.
_MOST_NAMED, _MOST_SEARCHED, _MOST_TOGETHER = 500, 1024, 64


def can_decide(m: int, n: int) -> bool:
    """Return whether directions alone can tell: n of them in m dimensions are more than three, in more than a plane."""
    return m > _PLANE and n > _FEW


def of_row(D: np.ndarray, norm: np.ndarray, m: int, log_level: float) -> bool:
    """Return whether dimensionalities and lengths (n,) of one row are beyond chance at a level of all n together."""
    each = log_level - math.log(2 * (2 * len(D)))
    beyond = log_chances(D, norm, m).min(initial=0) < each
    return bool(beyond or log_chance_of_all(D, norm, m) < log_level - math.log(2))


def judge(W: np.ndarray, moves: Moves | None = None, *, share: float = 1.0) -> Verdict:
    """Return what may be said of the features of W (m, n), with a chance of 1 % times *share* of any false name.

    A group has a name where n directions at random would form one as near to its shape with less than its share of that
    chance: every pair, triangle, tetrahedron and pentagon is tried, each other group that identify() finds, and all
    of its groups together. A dimensionality is beyond chance where random directions of the same lengths have one
    as far out that rarely. Features that never moved have no part in it where others did.

    Where directions alone can hardly decide, in two dimensions or of three features, what identify() finds is also said
    if the features moved there and rest, or nothing is known of that.

    Raises ValueError as identify() does. Source: closed forms of chance.laws, with Bonferroni's correction.
    """
    W = np.asarray(W, dtype=np.float64)
    m, n = W.shape
    D, norm, _ = measure(W)
    still = ~moves.moved if can_decide(m, n) and moves is not None and moves.any else np.zeros(n, bool)
    case = _Case(W, D, norm, still, math.log(FAMILY_WISE * share))
    if not can_decide(m, n):
        identified = _identified(case)
        named = identified if _is_evidence(moves) else _together(case, identified)
    else:
        named = _beyond(case)
    return _verdict(case, named, moves)


def as_random(W: np.ndarray) -> list[Polytope]:
    """Return all features of W (m, n) as one group without a shape."""
    D, norm, _ = measure(np.asarray(W, dtype=np.float64))
    case = _Case(np.asarray(W, dtype=np.float64), D, norm, np.zeros(len(D), bool), 0.0)
    return [_part(case, AS_RANDOM, np.arange(len(D)))]


def _share_of(claim: str, m: int) -> float:
    """Return the share that a claim has in what may be said falsely of a matrix with m dimensions."""
    of_digons = _OF_DIGONS * min(1.0, _FEW_NUMBERS / m) ** (1 / 3)
    return of_digons if claim == "digon" else (1 - OF_ROWS - of_digons) * _OF_REST[claim]


def _is_evidence(moves: Moves | None) -> bool:
    """Return whether the features moved to where they are, and rest there, as far as that is known."""
    return moves is None or (moves.any and moves.rests)


def is_beyond(W: np.ndarray, moves: Moves | None = None, *, share: float = 1.0) -> bool:
    """Return whether judge() would say anything of W (m, n), at the least price."""
    W = np.asarray(W, dtype=np.float64)
    if not can_decide(*W.shape) and _is_evidence(moves):
        return True
    D, norm, _ = measure(W)
    log_level = math.log(FAMILY_WISE * share * _share_of("space", len(W)))
    return log_chance_of_all(D, norm, len(W)) < log_level or judge(W, moves, share=share).says_more


@dataclass(frozen=True, eq=False)
class _Case:
    """A matrix before the judge; still (n,) are the features to be left out, log_level the level of all claims."""

    W: np.ndarray
    D: np.ndarray
    norm: np.ndarray
    still: np.ndarray
    log_level: float

    def level_of(self, claim: str) -> float:
        """The logarithm of the level of a shape's name, or of other claims."""
        return self.log_level + math.log(_share_of(claim, len(self.W)))

    @cached_property
    def represented(self) -> np.ndarray:
        """The features that are not too short to be there, and moved."""
        return np.flatnonzero((self.norm > NEGLIGIBLE * typical_norm(self.norm[~self.still])) & ~self.still)

    @cached_property
    def unit(self) -> np.ndarray:
        """The directions, (m, n); 0 for a feature without any."""
        return self.W / np.where(self.norm > 0, self.norm, 1)

    @cached_property
    def far_out(self) -> np.ndarray:
        """Whose dimensionality is beyond chance, (n,)."""
        level = self.level_of("levels") - math.log(2 * max(1, len(self.D)))
        shares = self._shares(level - math.log(2))
        beyond = log_chances(self.D, self.norm, len(self.W), shares=shares) < level - math.log(2) * (shares is not None)
        return beyond & ~self.still

    def around(self, groups: Sequence[Group]) -> Surroundings:
        """The represented features, by which it is told how directions crowd; of *groups* none explains itself."""
        unit = self.unit[:, self.represented]
        return Surroundings(unit.T @ unit, len(unit), [self.places(group).tolist() for group in groups])

    def places(self, group: Group) -> np.ndarray:
        """Where a group's features are among those that are represented, (k,)."""
        return np.searchsorted(self.represented, group.features)

    def _shares(self, log_level: float) -> tuple[float, float] | None:
        """How far directions like these crowd, but for chances below a level; None where they are spread evenly."""
        unit = self.unit[:, self.represented]
        return shares_at(unit, log_level) if unit.shape[1] > 1 else None

    @cached_property
    def is_random(self) -> bool:
        """Whether all features together share their space as evenly as at random, no more and no less."""
        level = self.level_of("space")
        if not self.still.any():
            return log_chance_of_all(self.D, self.norm, len(self.W)) >= level
        moving = ~self.still
        return log_chance_of_all(measure(self.W[:, moving])[0], self.norm[moving], len(self.W)) >= level


def _beyond(case: _Case) -> list[Polytope]:
    """Return the groups whose names are beyond chance."""
    represented = case.represented
    found: list[Found] = []
    if 1 < len(represented) <= _MOST_SEARCHED:
        unit = case.unit[:, represented]
        levels = {name: case.level_of(name) for name in SOUGHT}
        found = search(unit.T @ unit, len(unit), levels, excess=_excess(unit))
    parts = [_part(case, each.name, represented[list(each.features)]) for each in found]
    worth_it = len(represented) <= _MOST_TOGETHER or found or case.far_out.any() or not case.is_random
    if not worth_it or len(case.D) > _MOST_NAMED:
        return parts
    identified = _identified(case)
    together = _together(case, identified)
    return _disjoint(together, parts) if together else _disjoint(parts, [*_alone(case, identified), *_dedicated(case)])


def _excess(unit: np.ndarray) -> float:
    """Return m times the excess kurtosis of the cosines of columns with such entries in any order, (3 - β)².

    β is the kurtosis of the entries, 3 on the sphere and 1.8 of an even distribution. Where it is greater, the columns
    keep to the axes, which is no chance.
    """
    m = len(unit)
    squares = unit * unit
    kurtosis = float((squares * squares).sum(axis=0).mean()) * (m + 2)
    return (3 - min(3.0, max(1.0, kurtosis))) ** 2


def _identified(case: _Case) -> list[Polytope]:
    """Return what identify() finds among the features that count, with a dimensionality that all have a part in."""
    kept = np.flatnonzero(~case.still)
    named = []
    for part in identify(case.W[:, kept]) if kept.size else []:
        features = kept[list(part.features)]
        D = case.D[features]
        part = replace(
            part,
            features=tuple(features.tolist()),
            dimensionality=float(D.mean()),
            dimensionalities=tuple(D.tolist()),
        )
        is_loose = part.name == "dedicated" and part.dimensionality < _DEDICATED and can_decide(*case.W.shape)
        if part.rank and not is_loose:
            named.append(part)
    return named


def _together(case: _Case, identified: Sequence[Polytope]) -> list[Polytope]:
    """Return all that was identified, where its groups together are beyond chance, or the surest of them are."""
    log_level = case.level_of("all") - math.log(3)
    named = [part for part in identified if part.name != UNNAMED]
    near = [part for part in named if len(part.features) == 1 or part.residual <= MATCHES / 2]
    large = [part for part in near if len(part.features) > 1]
    cosines = case.unit.T @ case.unit
    if len(case.W) < 2:
        return []
    for parts in (named, near, large):
        groups = [group_of(part, cosines) for part in parts]
        known = [group for group in groups if group is not None]
        if not known:
            continue
        around = case.around(known)
        errors = [_even_error(group, case, around) for group in known]
        if log_chance_of_groups(known, errors, case.unit, len(case.represented)) < log_level:
            unnamed = [part for part in identified if part.name == UNNAMED]
            return [*parts, *unnamed]
    return []


def _alone(case: _Case, identified: Sequence[Polytope]) -> list[Polytope]:
    """Return the groups of the larger shapes that are beyond chance, each by itself."""
    sought = [name for name in SOUGHT if name != "merged"]
    large = [part for part in identified if len(part.features) > 2 and part.name not in sought]
    cosines = case.unit.T @ case.unit
    log_level = case.level_of("others") - math.log(max(1, len(large)))
    found = []
    for part in large:
        group = group_of(part, cosines)
        if group is not None and _log_chance(group, case) < log_level:
            found.append(part)
    return found


def _log_chance(group: Group, case: _Case) -> float:
    assert group.pattern is not None
    # It might have been of any other size.
    many = math.log(len(case.represented))
    return (
        group.pattern.log_chance(_even_error(group, case, case.around([])), len(case.W), len(case.represented)) + many
    )


def _even_error(group: Group, case: _Case, around: Surroundings) -> float:
    """Return the sum of the errors of a group as it would be as rare of directions evenly spread."""
    if group.pattern is None:
        return 0.0
    return float(even_errors(group.pattern, case.places(group)[None], around)[0])


def _dedicated(case: _Case) -> list[Polytope]:
    alone = np.flatnonzero(case.far_out & (case.D >= _DEDICATED))
    return [_part(case, "dedicated", np.array([feature])) for feature in alone]


def _disjoint(parts: Sequence[Polytope], more: Sequence[Polytope]) -> list[Polytope]:
    """Return *parts*, and those of *more* that share no feature with what is there before."""
    chosen, taken = list(parts), {feature for part in parts for feature in part.features}
    for part in more:
        if taken.isdisjoint(part.features):
            chosen.append(part)
            taken.update(part.features)
    return chosen


def _part(case: _Case, name: str, features: np.ndarray) -> Polytope:
    """Return a group as identify() would tell of it."""
    features = np.sort(features)
    D, norm, unit = case.D[features], case.norm[features], case.unit[:, features]
    cosines = unit.T @ unit
    shape = shape_of(name, len(features))
    residual, rank = math.nan, 0 if name in (NEVER_MOVED, MISSING) else min(len(unit), len(features))
    confidence = 0.0
    if shape is not None:
        rank = shape.rank
        residual = difference(cosines, shape.cosines, match(cosines, shape.cosines, shape.kinds))
        confidence = max(0.0, 1 - residual / MATCHES)
    return Polytope(
        features=tuple(features.tolist()),
        name=name,
        rank=rank,
        dimensionality=float(D.mean()),
        dimensionalities=tuple(D.tolist()),
        confidence=confidence,
        residual=residual,
        norm_ratio=float(norm.max() / norm.min()) if norm.min() else math.inf,
        spectrum=tuple(np.linalg.eigvalsh(cosines)[::-1].tolist()) if len(features) <= _MOST_TOGETHER else (),
    )


def _verdict(case: _Case, named: Sequence[Polytope], moves: Moves | None) -> Verdict:
    can = can_decide(*case.W.shape)
    decides = can or not _is_evidence(moves)
    shaped = [feature for part in named if part.name != UNNAMED for feature in part.features]
    is_beyond = case.far_out.copy() if can else np.zeros(len(case.D), bool)
    is_beyond[shaped if decides else [feature for part in named for feature in part.features]] = True
    is_random = case.is_random if can else not _is_evidence(moves)
    taken = [feature for part in named for feature in part.features]
    left = np.setdiff1d(case.represented, taken)
    short = np.setdiff1d(np.flatnonzero(~case.still), [*taken, *left])
    if is_random and not is_beyond.any():
        # Nothing learned is missing where nothing was learned.
        left, short = np.union1d(left, short), short[:0]
    rest = {
        UNNAMED: left[is_beyond[left] | (not is_random)],
        AS_RANDOM: left[~is_beyond[left] & is_random],
        NEVER_MOVED: np.flatnonzero(case.still),
        MISSING: short,
    }
    parts = sorted(named, key=lambda part: part.features[0])
    parts += [_part(case, name, features) for name, features in rest.items() if features.size]
    shown = case.represented if case.represented.size else np.arange(len(case.D))
    at_random = expected(case.norm, len(case.W))
    medians = median_of(case.D[shown]), median_of(at_random[shown])
    return Verdict(tuple(parts), case.D, is_beyond, is_random, *medians, moves)
