"""The regimes of a run: the stretches of learning in each of which one kind of geometric change goes on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from ..geometry.measures import dimensionality
from ..polytopes.identification import NEGLIGIBLE, identify
from ..polytopes.wholes import summary
from ..signals import Signal, sliceable
from .affine import Motion, angle_and_axis, transformation
from .feature_sets import find_sets
from .regime_signals import Parts, cut, label, stretches_of

# A stretch shorter than this share of the parts is no regime but a seam between two.
_SHORTEST = 0.05
# Within a set, an extent below this share of its size is noise and none of its motion.
FLAT = 0.1
_KINDS = {"against": "twist", "loss": "settling", "rest": "rest"}
# Sets open or close where their dimensions change by this much.
_DIMENSION = 0.25


@dataclass(frozen=True, eq=False)
class Change:
    """What happens to one feature set in a regime; each pair is before and after.

    motion is the transformation; length is the root-mean-square norm of the features; dimensions is how many the set
    spans, (Σσ²)² / Σσ⁴ of its singular values σ; form is what the set forms by itself, as `polytopes.summary` says it.
    """

    features: tuple[int, ...]
    motion: Motion
    length: tuple[float, float]
    dimensions: tuple[float, float]
    form: tuple[str, str]


@dataclass(frozen=True, eq=False)
class Regime:
    """One stretch of a run, and what goes on in it.

    start and end are steps; kind is one of

    - *growth*: the features come up from nothing;
    - *opening*, *closing*: the features of a set come apart into more dimensions, or together into fewer;
    - *reshaping*: the sets change and keep their dimensions;
    - *twist*: the sets keep their shapes and turn against each other;
    - *settling*: the features rest and the loss still changes;
    - *rest*: nothing moves.

    changes tell of each feature set; twist is the largest angle by which two sets turn against each other, in degrees;
    form is what all features form at the end; loss is the loss at the start and at the end, None where none was given.
    """

    start: int
    end: int
    kind: str
    changes: tuple[Change, ...]
    twist: float
    form: str
    loss: tuple[float, float] | None


def find_regimes(
    W: Signal | np.ndarray,
    loss: np.ndarray | None = None,
    step: np.ndarray | None = None,
    sets: Sequence[Sequence[int]] | None = None,
) -> list[Regime]:
    """Return the regimes of a run, in order and without gaps, from its geometry and its loss curve.

    Where the Gram matrix of a set changes, sets are changing; where it does not and the inner products with other sets
    do, sets turn against each other; where neither does and log-loss changes, the loss settles; else all is at rest.
    Times are compared in the root of the row number, so early regimes may be short and late ones slow. What changes
    by less than 0.2 of the largest Gram matrix, or of the log-loss, in 0.06 of the run, and by less than 0.3 over more,
    is at rest, and a regime lasts at least 0.05 of the run.

    W may be read when it is sliced: each row is read once, and a few at a time.

    Shapes: W (T, m, n), loss and step (T,); step is 0, 1, … where None, and sets are found where None, see
    feature_sets.find_sets. Linear in T: O(T m n), and the Gram matrices of 200 mean rows. Raises ValueError when the
    shapes do not go together, W has fewer than three rows or a value that is not finite, or a set is empty or holds a
    feature that is in another one or not in W.
    Source: Toy Models of Superposition, "Superposition and Learning Dynamics", phenomenon 2.
    """
    W, loss, step = _checked(W, loss, step)
    parts = cut(W, loss)
    if not np.isfinite(parts.W).all():
        raise ValueError("W holds a value that is not finite; give the rows from before the loss diverged")
    chosen = find_sets(parts.W) if sets is None else _checked_sets(sets, W.shape[2])
    labels = _without_seams(label(parts, chosen))
    return [_regime(parts, step, chosen, str(labels[a]), a, b - 1) for a, b in stretches_of(labels)]


def _without_seams(labels: np.ndarray) -> np.ndarray:
    """Give each stretch that is too short to the longer one beside it, the shortest first."""
    labels = labels.copy()
    while len(stretches := stretches_of(labels)) > 1:
        start, stop = min(stretches, key=lambda stretch: stretch[1] - stretch[0])
        if stop - start >= _SHORTEST * len(labels):
            break
        beside = [stretch for stretch in stretches if start in stretch or stop in stretch]
        a, _ = max((each for each in beside if each != (start, stop)), key=lambda each: each[1] - each[0])
        labels[start:stop] = labels[a]
    return labels


def _regime(
    parts: Parts, step: np.ndarray, sets: Sequence[tuple[int, ...]], moved: str, first: int, last: int
) -> Regime:
    """Tell what happens from one part to another."""
    # A stretch begins where the one before ended, so nothing falls between them.
    before = max(0, first - 1)
    W0, W1 = parts.W[before], parts.W[last]
    changes = tuple(_change(W0, W1, set_) for set_ in sets)
    # A set that is hardly there, before or after, has neither shape nor direction to speak of.
    least = NEGLIGIBLE * max(max(change.length) for change in changes)
    lasting = [change for change in changes if min(change.length) > least]
    return Regime(
        start=int(step[parts.first[first]]),
        end=int(step[parts.last[last]]),
        kind=_kind(lasting) if moved == "alone" else _KINDS[moved],
        changes=changes,
        twist=_twist(lasting),
        form=summary(identify(W1)),
        loss=None if parts.loss is None else (float(parts.loss[before]), float(parts.loss[last])),
    )


def _change(W0: np.ndarray, W1: np.ndarray, set_: tuple[int, ...]) -> Change:
    """Measure one set before and after."""
    X0, X1 = W0[:, list(set_)], W1[:, list(set_)]
    return Change(
        features=set_,
        motion=transformation(W0, W1, set_, flat=FLAT),
        length=(_length(X0), _length(X1)),
        dimensions=(_dimensions(X0), _dimensions(X1)),
        form=(_form(W0, set_), _form(W1, set_)),
    )


def _form(W: np.ndarray, set_: tuple[int, ...]) -> str:
    """Return what a set forms by itself; a single feature has a dimension to itself where no other shares it.

    Those of a set that share nothing with each other may with others, and are called orthogonal rather than dedicated.
    """
    parts = identify(W[:, list(set_)])
    if len(set_) > 1:
        return summary(parts).replace("dedicated", "orthogonal")
    (part,) = parts
    alone = replace(part, dimensionality=float(dimensionality(W)[set_[0]]))
    return summary([alone]).replace("lone feature", "alone")


def _kind(lasting: Sequence[Change]) -> str:
    """Tell apart what a change of the sets by themselves is."""
    if not lasting:
        return "growth"
    most = max((change.dimensions[1] - change.dimensions[0] for change in lasting), key=abs)
    if abs(most) < _DIMENSION:
        return "reshaping"
    return "opening" if most > 0 else "closing"


def _length(X: np.ndarray) -> float:
    return float(np.linalg.norm(X) / np.sqrt(X.shape[1]))


def _dimensions(X: np.ndarray) -> float:
    """Return how many dimensions a set spans; 0 where all is 0."""
    squared = np.linalg.svd(X, compute_uv=False) ** 2
    return float(squared.sum() ** 2 / np.square(squared).sum()) if squared[0] else 0.0


def _twist(lasting: Sequence[Change]) -> float:
    """Return the largest angle by which two sets turn against each other, in degrees."""
    turns = [change.motion.rotation for change in lasting]
    return max((angle_and_axis(one @ two.T)[0] for one, two in combinations(turns, 2)), default=0.0)


def _checked(W: Any, loss: np.ndarray | None, step: np.ndarray | None) -> tuple[Signal, np.ndarray | None, np.ndarray]:
    W = sliceable(W)
    if W.ndim != 3 or W.shape[0] < 3:
        raise ValueError(f"W must have shape (T, m, n) with three rows or more, got shape {W.shape}")
    rows = W.shape[0]
    step = np.arange(rows) if step is None else np.asarray(step)
    loss = None if loss is None else np.asarray(loss, dtype=np.float64)
    for name, values in (("step", step), ("loss", loss)):
        if values is not None and values.shape != (rows,):
            raise ValueError(f"{name} must have shape ({rows},), one value for each row of W, got {values.shape}")
    return W, loss, step


def _checked_sets(sets: Sequence[Sequence[int]], n: int) -> list[tuple[int, ...]]:
    chosen = [tuple(int(feature) for feature in set_) for set_ in sets]
    members = [feature for set_ in chosen for feature in set_]
    if not all(chosen) or not members or len(set(members)) < len(members) or not set(members) <= set(range(n)):
        raise ValueError(f"sets={sets!r} must hold each of the features 0 to {n - 1} at most once, and none be empty")
    return chosen
