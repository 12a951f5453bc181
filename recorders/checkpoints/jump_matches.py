"""Which jumps two recordings have in common: at about the same time, of the same features or of those like them."""

from dataclasses import dataclass

import numpy as np

from ...dynamics.jumps import Jump, detect_jumps
from ...dynamics.motion.alignment import align_runs, procrustes
from ..reading.recording import Recording
from ..reading.selection import Selection, select
from ..stories.judging import told_jumps, verdict_on
from .pairs import CommonRows

# Features keep their names unless others fit better by this much of the matrix: equal features are alike to rounding.
_BETTER = 0.02
# Larger matrices are no toy models, and every order of their features cannot be tried.
_MOST_FEATURES = 200


@dataclass(frozen=True, eq=False)
class JumpMatches:
    """The jumps of one matrix that both recordings have, in pairs, and those that only one has.

    parameter is the matrix, instance which member of an ensemble, None of one model; permutation (n,) says which
    feature of A each feature of B is like, None where their numbers are taken as they are.
    """

    parameter: str
    instance: int | None
    both: list[tuple[Jump, Jump]]
    only_a: list[Jump]
    only_b: list[Jump]
    permutation: np.ndarray | None


def match_jumps(sides: CommonRows) -> JumpMatches | None:
    """Return the jumps of the first matrix of features that both have; None where they have none in one shape.

    Of an ensemble the first member is looked at. Jumps match one to one where they overlap, or are no farther from each
    other than the longer one lasts, and have a feature in common: by its number, or in toy models that are alike up to
    a rotation and the order of their features, in the last common row, by what it is there.
    """
    name = next((name for name in sides.a.features if _alike(sides, name)), None)
    if name is None or not len(sides.step):
        return None
    one, other = select(sides.a, name), select(sides.b, name)
    permutation = _permutation(one, other, sides)
    jumps_a, jumps_b = _jumps(one), _jumps(other)
    pairs = _matched(jumps_a, jumps_b, permutation)
    firsts, seconds = {i for i, _ in pairs}, {j for _, j in pairs}
    return JumpMatches(
        name, one.instance,
        both=[(jumps_a[i], jumps_b[j]) for i, j in pairs],
        only_a=[jump for i, jump in enumerate(jumps_a) if i not in firsts],
        only_b=[jump for j, jump in enumerate(jumps_b) if j not in seconds],
        permutation=permutation,
    )  # fmt: skip


def _alike(sides: CommonRows, name: str) -> bool:
    if name not in sides.b.features:
        return False
    one, other = (each.features[name].get("dimensionality") for each in (sides.a, sides.b))
    return one is not None and other is not None and one.shape[1:] == other.shape[1:] and one.ndim in (2, 3)


def _jumps(selection: Selection) -> list[Jump]:
    _, loss = selection.told_loss()
    found = detect_jumps(selection.dimensionality, loss, selection.step)
    return [each.jump for each in told_jumps(selection, found, verdict_on(selection))]


def _permutation(one: Selection, other: Selection, sides: CommonRows) -> np.ndarray | None:
    """Return which feature of A each of B is like, where both are toy models whose features are not so as numbered."""
    if not (_is_toy(sides.a) and _is_toy(sides.b) and one.has_weights and other.has_weights):
        return None
    rows = (int(sides.rows_a[-1]), int(sides.rows_b[-1]))
    W0, W1 = (
        each.weights_at(slice(row, row + 1))[0].astype(np.float64) for each, row in zip((one, other), rows, strict=True)
    )
    if W0.shape != W1.shape or W0.shape[1] > _MOST_FEATURES or not (np.isfinite(W0).all() and np.isfinite(W1).all()):
        return None
    size = float(np.linalg.norm(W1))
    as_numbered = float(np.linalg.norm(W1 - procrustes(W0, W1) @ W0)) / size if size else 0.0
    found = align_runs(W0, W1)
    return found.permutation if found.residual < as_numbered - _BETTER else None


def _is_toy(recording: Recording) -> bool:
    experiment = recording.config.get("experiment")
    return isinstance(experiment, dict) and experiment.get("model") == "toy"


def _matched(one: list[Jump], other: list[Jump], permutation: np.ndarray | None) -> list[tuple[int, int]]:
    """Return which jumps are the same, one to one, those with most features in common first, then the nearest."""
    from scipy.optimize import linear_sum_assignment

    if not (one and other):
        return []
    gain = np.array([[_likeness(a, b, permutation) for b in other] for a in one])
    pairs = zip(*linear_sum_assignment(gain, maximize=True), strict=True)
    return [(int(i), int(j)) for i, j in pairs if gain[i, j] > 0]


def _likeness(a: Jump, b: Jump, permutation: np.ndarray | None) -> float:
    """Return how alike two jumps are, 0 where they are not the same, 2 at most."""
    longer = max(a.end - a.start, b.end - b.start, 1)
    gap = max(a.start, b.start) - min(a.end, b.end)
    like = set(b.features) if permutation is None else {int(permutation[k]) for k in b.features}
    shared, every = like & set(a.features), like | set(a.features)
    return 0.0 if gap > longer or not shared else len(shared) / len(every) + 1 / (2 + max(gap, 0) / longer)
