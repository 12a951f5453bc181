"""What may be said of a recording: the one place that all words, figures and pages ask whether chance would say it too.

The chance of a false name is 1 % for a whole recording, shared equally among its matrices: all parameters with
features, and each member of an ensemble.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from ...dynamics.chance import FAMILY_WISE, Moves, Verdict, judge, looked_at, moves, of_row, scatter
from ...dynamics.chance.judging import OF_ROWS, can_decide
from ...dynamics.geometry import measure
from ...dynamics.jumps import Jump
from ...dynamics.levels import count_levels, nearest_level
from ...dynamics.polytopes import identify
from ...dynamics.polytopes.identification import NEGLIGIBLE, typical_norm
from ...dynamics.polytopes.wholes import shapes_of
from ..reading.recording import Recording
from ..reading.selection import Selection, select
from ..ring.matrices import MatrixView

# What a jump leads to is looked at in matrices of no more elements, and of no more jumps.
_ELEMENTS, _JUMPS = 1000, 100

# Of each open recording how many rows it had, and its verdicts by parameter and instance.
_Verdicts = dict[tuple[str, int | None], Verdict | None]
_kept: WeakKeyDictionary[Recording, tuple[int, _Verdicts]] = WeakKeyDictionary()
# And the share of each of its matrices, since all are asked for that.
_shares: WeakKeyDictionary[Recording, tuple[int, float]] = WeakKeyDictionary()


@dataclass(frozen=True, eq=False)
class ToldJump:
    """A jump that is beyond chance, with the shapes that its features are in after it, as far as that is known.

    against_chance is how far D goes that goes farthest, in units of the scatter of D of random directions of the same
    lengths; NaN where the matrix was not recorded.
    """

    jump: Jump
    shapes: dict[int, str]
    against_chance: float


def verdict_of(recording: Recording, parameter: str, instance: int | None = None) -> Verdict | None:
    """Return what may be said of a matrix in the last row; None where it was not recorded, or is not finite there."""
    return verdict_on(select(recording, parameter, instance))


def verdict_on(selection: Selection) -> Verdict | None:
    """Return what may be said of a selection in the last row; None where it was not recorded, or is not finite.

    An open recording keeps its verdicts for as long as no row is added, so that all that tell of it judge it once.
    """
    rows, verdicts = _kept.get(selection.recording, (-1, {}))
    if rows != len(selection.recording):
        rows, verdicts = len(selection.recording), {}
        _kept[selection.recording] = rows, verdicts
    key = selection.parameter, selection.instance
    if key not in verdicts:
        verdicts[key] = _judged(selection)
    return verdicts[key]


def _judged(selection: Selection) -> Verdict | None:
    if not selection.has_weights:
        return None
    W = selection.weights_at(slice(-1, None))[0].astype(np.float64)
    # Of what has no length nothing is known.
    if W.ndim != 2 or not np.isfinite(W).all() or not W.any():
        return None
    return judge(W, _moves(selection, W.size), share=share_of(selection.recording))


def are_told(recording: Recording, parameter: str, members: int) -> list[bool]:
    """Return of each of the first *members* of an ensemble whether anything in it is beyond chance.

    Where directions alone cannot decide, the members are evidence for each other: all are told where any of them moved
    and most rest.
    """
    verdicts = [verdict_of(recording, parameter, k) for k in range(members)]
    first = select(recording, parameter, 0)
    is_small = not can_decide(_dimensions(first), first.dimensionality.shape[-1])
    moves = [each.moves for each in verdicts if each is not None and each.moves is not None]
    if is_small and any(each.any for each in moves) and 2 * sum(each.rests for each in moves) >= len(moves):
        return [True] * members
    return [verdict is None or verdict.says_more for verdict in verdicts]


def share_of(recording: Recording) -> float:
    """Return the share of the chance of a false name that each matrix of a recording has."""
    rows, share = _shares.get(recording, (-1, 1.0))
    if rows != len(recording):
        matrices = sum(math.prod(each["dimensionality"].shape[1:-1]) for each in recording.features.values())
        share = 1 / max(1, matrices)
        _shares[recording] = len(recording), share
    return share


def levels_of(recording: Recording, parameter: str, instance: int | None = None) -> dict[str, int]:
    """Count the features of a matrix by what may be said of their level now."""
    verdict = verdict_of(recording, parameter, instance)
    if verdict is not None:
        return verdict.levels()
    D = recording.features[parameter]["dimensionality"][-1]
    return count_levels(D if instance is None else D[instance])


def may_have_levels(recording: Recording, parameter: str) -> bool:
    """Return, at the price of one row of what is derived, whether anything in the last row is beyond chance.

    The matrix itself is not read; it has to be recorded.
    """
    series, group = recording.parameters[parameter], recording.features[parameter]
    if "norm" not in group:
        return True
    m = MatrixView.of(series.attrs).shape(series.shape[1:])[-2]
    D, norm = (np.atleast_2d(group[name][-1]).astype(np.float64) for name in ("dimensionality", "norm"))
    log_level = math.log(FAMILY_WISE * share_of(recording))
    return not can_decide(m, D.shape[-1]) or any(of_row(*each, m, log_level) for each in zip(D, norm, strict=True))


def told_jumps(selection: Selection, jumps: Sequence[Jump], verdict: Verdict | None) -> list[ToldJump]:
    """Return the jumps that are beyond chance.

    All are in a matrix that is so at last, since what detect_jumps() finds is no noise of the rows. In any other those
    are whose dimensionalities are beyond chance where the jump begins or ends, at a level for all rows together.
    """
    if verdict is None:
        return [ToldJump(jump, {}, math.nan) for jump in jumps]
    told = []
    for jump in jumps:
        rows = [int(np.searchsorted(selection.step, step)) for step in (jump.start, jump.end)]
        if verdict.says_more or any(_is_beyond(selection, row) for row in rows):
            shapes = _shapes_at(selection, rows[1], len(jumps)) if verdict.says_more and len(told) < _JUMPS else {}
            shapes = {feature: shapes[feature] for feature in jump.features if feature in shapes}
            shapes = _still_there(selection, rows[1], jump) | shapes
            told.append(ToldJump(jump, shapes, _against_chance(selection, jump, rows)))
    return told


def _moves(selection: Selection, elements: int) -> Moves | None:
    rows = looked_at(len(selection.step), elements)
    if len(rows) < 2:
        return None
    W = np.concatenate([selection.weights_at(slice(row, row + 1)) for row in rows])
    return moves(W, np.array(rows)) if np.isfinite(W).all() else None


def _is_beyond(selection: Selection, row: int) -> bool:
    D, norm = _measured_at(selection, row)
    if not can_decide(_dimensions(selection), len(D)):
        return False
    log_level = math.log(FAMILY_WISE * OF_ROWS * share_of(selection.recording) / len(selection.step))
    return of_row(D, norm, _dimensions(selection), log_level)


def _shapes_at(selection: Selection, row: int, looked_at: int) -> dict[int, str]:
    """Return the shape that each feature is in at one of so many rows that are *looked_at*.

    Of a matrix too large to look at it often there is none.
    """
    if selection.elements > _ELEMENTS:
        return {}
    W = selection.weights_at(slice(row, row + 1))[0].astype(np.float64)
    if not np.isfinite(W).all():
        return {}
    share = share_of(selection.recording) * OF_ROWS / looked_at
    parts = judge(W, share=share).shaped if can_decide(*W.shape) else identify(W)
    return shapes_of(parts)


def _still_there(selection: Selection, row: int, jump: Jump) -> dict[int, str]:
    """Return no name at all for the features that end near D = 0 and are not short: many share what they have."""
    levels = [nearest_level(D) for D in jump.after]
    low = [k for k, level in zip(jump.features, levels, strict=True) if level and not level.dimensionality]
    if not low:
        return {}
    norm = _measured_at(selection, row)[1]
    return {feature: "" for feature in low if norm[feature] > NEGLIGIBLE * typical_norm(norm)}


def _against_chance(selection: Selection, jump: Jump, rows: Sequence[int]) -> float:
    """Return the size of the largest change in units of the scatter at random, of its two ends the larger."""
    change = np.abs(jump.after - jump.before)
    farthest = int(change.argmax())
    norms = np.stack([_measured_at(selection, row)[1] for row in rows])
    deviation = float(scatter(norms, _dimensions(selection))[:, jump.features[farthest]].max())
    return float(change[farthest] / deviation) if deviation else math.nan


def _measured_at(selection: Selection, row: int) -> tuple[np.ndarray, np.ndarray]:
    D, norm, _ = measure(selection.weights_at(slice(row, row + 1))[0].astype(np.float64))
    return D, norm


def _dimensions(selection: Selection) -> int:
    return selection.view.shape(selection.weights.shape[1:])[-2]
