"""Which polytopes the features form: the components of the feature graph, each compared with the catalogue."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..geometry.measures import measure
from .matching import difference, match
from .shapes import Shape, shapes

# A feature shorter than this share of the others is not represented.
NEGLIGIBLE = 0.3
# Nor is one shorter than this that only spoils the polytope the others form: in a plane, what finds no room beside a
# pentagon ends at 0.25 to 0.29, with D = 0.03, on either side of the first threshold as chance has it.
_WEAK = 0.5
# Orthogonal features of trained models are up to 0.24 off, and of 3 % noise up to 0.2; a pentagon's pairs are at 0.31.
ORTHOGONAL = 0.3
# The root-mean-square error of the cosines up to which a component has a polytope's name.
TOLERANCE = 0.15
# A direction in which a component has less than this share of its largest singular value is none of its rank.
_FLAT = 0.2


@dataclass(frozen=True)
class Polytope:
    """A group of features and the polytope it forms.

    features are the columns' indices; name is the catalogue's, *unnamed* or *not represented*; rank is how many
    dimensions the features span; dimensionality is the mean of their D and dimensionalities are the D of each;
    residual is the root-mean-square difference between their cosines and the polytope's; norm_ratio is the longest
    feature's norm over the shortest's; spectrum holds the eigenvalues of the matrix of cosines, the largest first.

    confidence is in [0, 1]: (1 - residual / 0.15), which is 0 where the name is lost, times the share of the features'
    overlaps Σ_j (Ŵ_i · W_j)² that lies within the group, which is 1 where all other features are orthogonal to it. For
    *unnamed* it is 0; for *not represented* it is how far below the threshold the longest feature is. Both have no
    residual: it is NaN.
    """

    features: tuple[int, ...]
    name: str
    rank: int
    dimensionality: float
    dimensionalities: tuple[float, ...]
    confidence: float
    residual: float
    norm_ratio: float
    spectrum: tuple[float, ...]


def identify(W: np.ndarray) -> list[Polytope]:
    """Return the polytopes that the features of W form, in the order of their first features.

    Two features are joined where |Ŵ_i · Ŵ_j| is more than noise would make it, and each component of that graph is
    compared with the catalogue by its cosines alone, so that norms, rotations, reflections and the order of the
    features play no part. A tegum product, such as the octahedron, comes as its several components. A component that
    is no polytope of the catalogue is *unnamed*. The features shorter than 0.3 of the typical norm √(Σ|W_i|⁴ / Σ|W_i|²)
    come last, as one group, *not represented*, of rank 0; so do those shorter than 0.5 without which the others of a
    component form a polytope, and with which they form none.

    Where the strongest cosine between two groups is below 0.3, it may be noise or the edge of a simplex with many
    vertices. Those groups are one or two by what leaves the lesser sum of squared differences between the cosines and
    those of the polytopes, with 0 between the groups that are two. A group without a name counts as 0.3 off in each
    cosine, so it stays one only where it cannot be split.

    Shapes: W (m, n). Costs O(n² m). Raises ValueError when W has not two axes or holds a value that is not finite.
    Source: Toy Models of Superposition, "The Geometry of Superposition", uniform superposition.
    """
    W = np.asarray(W, dtype=np.float64)
    if W.ndim != 2:
        raise ValueError(f"W must have shape (m, n) with one feature a column, got shape {W.shape}; give one matrix")
    if not np.isfinite(W).all():
        raise ValueError("W holds a value that is not finite; give the row of a recording before the loss diverged")
    features = _Features.of(W)
    threshold = NEGLIGIBLE * typical_norm(features.norm)
    represented = features.norm > threshold
    groups = _without_weak(features, _components(features.unit, np.flatnonzero(represented)), threshold)
    found = [_describe(features, group) for group in groups]
    missing = np.setdiff1d(np.arange(W.shape[1]), np.concatenate([*groups, []]))
    if missing.size:
        threshold = threshold * (_WEAK / NEGLIGIBLE if represented[missing].any() else 1)
        confidence = 1 - features.norm[missing].max() / threshold if threshold else 1.0
        found.append(_measured(features, missing, name="not represented", rank=0, confidence=confidence))
    return found


class _Features(NamedTuple):
    """The features, their directions, and what is measured of each."""

    W: np.ndarray
    unit: np.ndarray
    norm: np.ndarray
    D: np.ndarray

    @classmethod
    def of(cls, W: np.ndarray) -> "_Features":
        D, norm, _ = measure(W)
        return cls(W, W / np.where(norm == 0, 1, norm), norm, D)


def typical_norm(norm: np.ndarray) -> float:
    """Return the norm of a represented feature: a mean in which features count by their squares."""
    largest = norm.max(initial=0)
    if not largest:
        return 0.0
    squared = (norm / largest) ** 2
    return float(largest * np.sqrt((squared**2).sum() / squared.sum()))


@dataclass(frozen=True)
class _Part:
    """Some features split into groups, and how far their squared cosines are from what the groups say in all."""

    groups: tuple[np.ndarray, ...]
    cost: float


def _components(unit: np.ndarray, represented: np.ndarray) -> list[np.ndarray]:
    """Return the groups of features that belong together: of all ways to split the graph's tree, the nearest."""
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    if not represented.size:
        return []
    cosines = unit.T @ unit
    parts = [_Part((np.array([feature]),), 0.0) for feature in represented]
    if len(parts) > 1:
        distances = 1 - np.minimum(1, np.abs(cosines[np.ix_(represented, represented)]))
        # Single linkage joins two groups at the largest cosine between them, their heaviest edge.
        for left, right, distance, _ in linkage(squareform(distances, checks=False), method="single"):
            splits = distance > 1 - ORTHOGONAL
            parts.append(_join(cosines, parts[int(left)], parts[int(right)], splits=splits))
    return sorted(parts[-1].groups, key=lambda group: group[0])


def _without_weak(features: "_Features", groups: list[np.ndarray], threshold: float) -> list[np.ndarray]:
    """Return the groups, without the weak features of those that have a name without them alone."""
    kept = []
    for group in groups:
        strong = group[features.norm[group] > threshold * _WEAK / NEGLIGIBLE]
        parts = _components(features.unit, strong) if len(strong) < len(group) else []
        spoiled = bool(parts) and _is_unnamed(features, group) and not any(_is_unnamed(features, p) for p in parts)
        kept += parts if spoiled else [group]
    return sorted(kept, key=lambda group: group[0])


def _is_unnamed(features: "_Features", group: np.ndarray) -> bool:
    unit = features.unit[:, group]
    return _nearest(unit.T @ unit) is None


def _join(cosines: np.ndarray, left: _Part, right: _Part, *, splits: bool) -> _Part:
    """Make one group of two parts or, where they may be orthogonal and are nearer to that, leave them two."""
    one, two = np.concatenate(left.groups), np.concatenate(right.groups)
    group = np.sort(np.concatenate([one, two]))
    nearest = _nearest(cosines[np.ix_(group, group)])
    residual = nearest[1] if nearest else ORTHOGONAL
    whole = _Part((group,), residual**2 * len(group) * (len(group) - 1))
    apart = left.cost + right.cost + 2 * np.square(cosines[np.ix_(one, two)]).sum()
    return _Part(left.groups + right.groups, apart) if splits and apart < whole.cost else whole


def _nearest(cosines: np.ndarray) -> tuple[Shape, float] | None:
    """Return the catalogue's nearest polytope and the residual, or None where none is within the tolerance."""
    found = []
    for shape in shapes(len(cosines)):
        # Most are ruled out by their values alone, which costs little.
        if difference(cosines, shape.cosines) <= TOLERANCE:
            residual = difference(cosines, shape.cosines, match(cosines, shape.cosines, shape.kinds))
            found += [(shape, residual)] if residual <= TOLERANCE else []
    return min(found, key=lambda pair: pair[1], default=None)


def _describe(features: _Features, group: np.ndarray) -> Polytope:
    """Name one component of the graph and measure it."""
    unit = features.unit[:, group]
    nearest = _nearest(unit.T @ unit)
    if nearest is None:
        singular = np.linalg.svd(unit, compute_uv=False)
        return _measured(features, group, name="unnamed", rank=int((singular > _FLAT * singular[0]).sum()))
    shape, residual = nearest
    confidence = (1 - residual / TOLERANCE) * _own_share(features, group)
    return _measured(features, group, name=shape.name, rank=shape.rank, residual=residual, confidence=confidence)


def _own_share(features: _Features, group: np.ndarray) -> float:
    """Return which share of the overlaps Σ_j (Ŵ_i · W_j)² a group has with itself; the rest is leaked to others."""
    overlaps = np.square(features.unit[:, group].T @ features.W)
    return float((overlaps[:, group].sum(1) / overlaps.sum(1)).mean())


def _measured(
    features: _Features,
    group: np.ndarray,
    *,
    name: str,
    rank: int,
    residual: float = math.nan,
    confidence: float = 0.0,
) -> Polytope:
    """Put what is known of a group together."""
    D, norm, unit = features.D[group], features.norm[group], features.unit[:, group]
    return Polytope(
        features=tuple(group.tolist()),
        name=name,
        rank=rank,
        dimensionality=float(D.mean()),
        dimensionalities=tuple(D.tolist()),
        confidence=float(confidence),
        residual=residual,
        norm_ratio=float(norm.max() / norm.min()) if norm.min() else math.inf,
        spectrum=tuple(np.linalg.eigvalsh(unit.T @ unit)[::-1].tolist()),
    )
