"""What happened, in words: one line for a jump."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from ..feature_names import named
from ..levels import level_indices, nearest_level
from .detection import Jump

# A third digit of a change shows beyond so many standard errors, and beyond so many more these do not show.
_THREE, _SURE = 100, 1000
# A change by this factor is told as a factor too.
_LARGE = 2
# Beyond so many times the noise no more is to be told, and up to so many a digit behind the point.
_NOISELESS, _ROUND = 1000, 9.95
# More features than that are counted instead of listed.
_MOST_LISTED = 8


def describe_jump(
    jump: Jump,
    loss_name: str = "loss",
    *,
    shapes: Mapping[int, str] | None = None,
    labels: Sequence[str] | None = None,
    against_chance: float = np.nan,
) -> str:
    """Return a jump in words: its steps, what rises and falls from where to where, and what the loss does.

    Such as "steps 1560-1720: features 3, 17 rise 0.21 → 0.50 (digon), 5 falls 0.31 → 0.02 (not represented);
    loss -0.0012 ± 0.0001". Features that go the same way to the same level and shape are told together, with their
    means. *shapes* has the polytope that a feature is in after the jump, where it is in any: D alone does not tell.
    *against_chance* is the size of the jump in units of what chance scatters, and is told beside its size in units of
    the noise of the rows. *labels* are the names of all features, which have numbers otherwise.
    """
    names = [_name(jump, k, shapes or {}) for k in range(len(jump.features))]
    moves = ", ".join(_describe_group(jump, group, names[group[0]], labels) for group in _groups(jump, names))
    size = ""
    if np.isfinite(against_chance):
        size = f" ({_times(against_chance)} × chance, {_times(float(jump.sigmas.max()))} × noise)"
    return f"steps {jump.start:g}-{jump.end:g}: {moves}{size}{describe_loss(jump, loss_name)}"


def _times(size: float) -> str:
    if size > _NOISELESS:
        return f"over {_NOISELESS}"
    return f"{size:.1f}" if size < _ROUND else f"{size:.0f}"


def describe_signal_jump(jump: Jump, columns: Sequence[str]) -> str:
    """Return a jump of any signal in words, what goes farthest first; *columns* are the names of its features.

    Such as "steps 1560-1720: test_acc rises 0.12 → 0.98".
    """
    farthest = np.abs(jump.after - jump.before)
    order = sorted(range(len(columns)), key=lambda k: -float(farthest[k]))
    moves = [_describe_move(columns[k], jump.before[k], jump.after[k]) for k in order]
    if len(moves) > _MOST_LISTED:
        moves = [*moves[:_MOST_LISTED], f"and {len(moves) - _MOST_LISTED} more"]
    return f"steps {jump.start:g}-{jump.end:g}: {', '.join(moves)}"


def _describe_move(column: str, before: float, after: float) -> str:
    return f"{column} {'rises' if after > before else 'falls'} {before:.3g} → {after:.3g}"


def _groups(jump: Jump, names: Sequence[str]) -> Iterable[list[int]]:
    """Return which features, by their place in the jump, go the same way and end at the same level, of one name."""
    groups: dict[tuple[bool, str, int], list[int]] = {}
    levels = level_indices(jump.after).tolist()
    for k, (before, after, name) in enumerate(zip(jump.before, jump.after, names, strict=True)):
        groups.setdefault((bool(after < before), name, levels[k]), []).append(k)
    return [groups[key] for key in sorted(groups)]


def _describe_group(jump: Jump, group: list[int], name: str, labels: Sequence[str] | None) -> str:
    features = [jump.features[k] for k in group]
    many = len(features) > 1
    who = f"{len(features)} features" if len(features) > _MOST_LISTED else ", ".join(named(features, labels))
    if len(features) <= _MOST_LISTED:
        who = f"feature{'s' if many else ''} {who}"
    before, after = float(np.mean(jump.before[group])), float(np.mean(jump.after[group]))
    verb = ("rise" if after > before else "fall") + ("" if many else "s")
    return f"{who} {verb} {before:.2f} → {after:.2f}{f' ({name})' if name else ''}"


def _name(jump: Jump, place: int, shapes: Mapping[int, str]) -> str:
    """Return what one feature is in after a jump, or what its D itself means, or nothing."""
    level = nearest_level(jump.after[place])
    return shapes.get(jump.features[place], level.word if level else "")


def describe_loss(jump: Jump, name: str) -> str:
    """Return what the loss of that *name* did across a jump, to be put behind the jump's own words; or nothing."""
    if not np.isfinite(jump.loss_change):
        return ""
    lag = ""
    # Within the jump itself there is nothing to tell.
    if np.isfinite(jump.loss_lag) and abs(jump.loss_lag) > (jump.end - jump.start) / 2:
        lag = f", {abs(jump.loss_lag):.0f} steps {'later' if jump.loss_lag > 0 else 'earlier'}"
    return f"; {name} {_describe_change(jump)}{lag}"


def _describe_change(jump: Jump) -> str:
    """Return the change of the loss with its standard error where that shows, and as a factor where that is large."""
    sigmas, factor = abs(jump.loss_change) / jump.loss_error if jump.loss_error else np.inf, jump.loss_factor
    error = f" ± {jump.loss_error:.1g}" if sigmas <= _SURE else ""
    is_large = np.isfinite(factor) and not 1 / _LARGE < factor < _LARGE
    return f"{jump.loss_change:+.{3 if sigmas >= _THREE else 2}g}{error}{f', × {factor:.2g}' if is_large else ''}"
