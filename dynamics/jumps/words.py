"""What happened, in words: one line for a jump."""

from collections.abc import Iterable, Mapping

import numpy as np

from ..levels import nearest_level
from .detection import Jump

# Plateaus are means over many rows, but minibatches and neighbours that wait for their own jump keep them off a level.
_NEAR = 0.04
# More standard errors than that say no more: the loss is as good as without noise.
_SURE = 1000
# Of more than that no jump of a signal without noise needs to be told.
_NOISELESS, _ROUND = 1000, 9.95
# More features than that are counted instead of listed.
_MOST_LISTED = 8


def describe_jump(
    jump: Jump,
    loss_name: str = "loss",
    *,
    shapes: Mapping[int, str] | None = None,
    against_chance: float = np.nan,
) -> str:
    """Return a jump in words: its steps, what rises and falls from where to where, and what the loss does.

    Such as "steps 1560-1720: features 3, 17 rise 0.21 → 0.50 (digon), 5 falls 0.31 → 0.02 (not represented);
    loss -0.0012 (9 sigma)". Features that go the same way to the same level are told together, with their means.

    *shapes* says which shapes there are, by feature, and a level then has the name of its polytope only where the
    feature is in one; None stands for a signal of which no more is known than its levels. *against_chance* is the size
    of the jump in units of what chance scatters, and is told beside its size in units of the noise of the rows.
    """
    names = [_level_name(after, feature, shapes) for feature, after in zip(jump.features, jump.after, strict=True)]
    moves = ", ".join(_describe_group(jump, group, names[group[0]]) for group in _groups(jump, names))
    size = f" ({_times(against_chance)} × chance, {_times(jump.sigmas.max())} × noise)" if np.isfinite(against_chance) else ""
    return f"steps {jump.start:g}-{jump.end:g}: {moves}{size}{_describe_loss(jump, loss_name)}"


def _times(size: float) -> str:
    if size > _NOISELESS:
        return f"over {_NOISELESS}"
    return f"{size:.1f}" if size < _ROUND else f"{size:.0f}"


def _groups(jump: Jump, names: list[str]) -> Iterable[list[int]]:
    """Return which features, by their place in the jump, go the same way and end at a level of the same name."""
    groups: dict[tuple[bool, str], list[int]] = {}
    for k, (before, after, name) in enumerate(zip(jump.before, jump.after, names, strict=True)):
        groups.setdefault((bool(after < before), name), []).append(k)
    return [groups[key] for key in sorted(groups)]


def _describe_group(jump: Jump, group: list[int], level: str) -> str:
    features = [jump.features[k] for k in group]
    many = len(features) > 1
    who = f"{len(features)} features" if len(features) > _MOST_LISTED else ", ".join(map(str, features))
    if len(features) <= _MOST_LISTED:
        who = f"feature{'s' if many else ''} {who}"
    before, after = float(np.mean(jump.before[group])), float(np.mean(jump.after[group]))
    verb = ("rise" if after > before else "fall") + ("" if many else "s")
    return f"{who} {verb} {before:.2f} → {after:.2f}{f' ({level})' if level else ''}"


def _level_name(value: float, feature: int, shapes: Mapping[int, str] | None) -> str:
    level = nearest_level(value, _NEAR)
    if level is None:
        return ""
    is_there = shapes is None or not level.dimensionality or shapes.get(feature) == level.polytope
    return level.polytope if is_there else ""


def _describe_loss(jump: Jump, name: str) -> str:
    if not np.isfinite(jump.loss_change):
        return ""
    lag = ""
    # Within the jump itself there is nothing to tell.
    if np.isfinite(jump.loss_lag) and abs(jump.loss_lag) > (jump.end - jump.start) / 2:
        lag = f", {abs(jump.loss_lag):.0f} steps {'later' if jump.loss_lag > 0 else 'earlier'}"
    sigmas = f"{abs(jump.loss_sigmas):.0f}" if abs(jump.loss_sigmas) <= _SURE else f"over {_SURE}"
    return f"; {name} {jump.loss_change:+.2g} ({sigmas} sigma{lag})"
