"""What happened, in words: one line for a jump."""

from collections.abc import Iterable

import numpy as np

from ..levels import nearest_level
from .detection import Jump

# More standard errors than that say no more: the loss is as good as without noise.
_SURE = 1000
# More features than that are counted instead of listed.
_MOST_LISTED = 8


def describe_jump(jump: Jump, loss_name: str = "loss") -> str:
    """Return a jump in words: its steps, what rises and falls from where to where, and what the loss does.

    Such as "steps 1560-1720: features 3, 17 rise 0.21 → 0.50 (digon), 5 falls 0.31 → 0.02 (not represented);
    loss -0.0012 (9 sigma)". Features that go the same way to the same level are told together, with their means.
    """
    moves = ", ".join(_describe_group(jump, group) for group in _groups(jump))
    return f"steps {jump.start:g}-{jump.end:g}: {moves}{_describe_loss(jump, loss_name)}"


def _groups(jump: Jump) -> Iterable[list[int]]:
    """Return which features, by their place in the jump, go the same way and end at the same level."""
    groups: dict[tuple[bool, str], list[int]] = {}
    for k, (before, after) in enumerate(zip(jump.before, jump.after, strict=True)):
        groups.setdefault((bool(after < before), _level_name(after)), []).append(k)
    return [groups[key] for key in sorted(groups)]


def _describe_group(jump: Jump, group: list[int]) -> str:
    features = [jump.features[k] for k in group]
    many = len(features) > 1
    who = f"{len(features)} features" if len(features) > _MOST_LISTED else ", ".join(map(str, features))
    if len(features) <= _MOST_LISTED:
        who = f"feature{'s' if many else ''} {who}"
    before, after = float(np.mean(jump.before[group])), float(np.mean(jump.after[group]))
    verb = ("rise" if after > before else "fall") + ("" if many else "s")
    level = _level_name(after)
    return f"{who} {verb} {before:.2f} → {after:.2f}{f' ({level})' if level else ''}"


def _level_name(value: float) -> str:
    level = nearest_level(value)
    return level.polytope if level else ""


def _describe_loss(jump: Jump, name: str) -> str:
    if not np.isfinite(jump.loss_change):
        return ""
    lag = ""
    # Within the jump itself there is nothing to tell.
    if np.isfinite(jump.loss_lag) and abs(jump.loss_lag) > (jump.end - jump.start) / 2:
        lag = f", {abs(jump.loss_lag):.0f} steps {'later' if jump.loss_lag > 0 else 'earlier'}"
    sigmas = f"{abs(jump.loss_sigmas):.0f}" if abs(jump.loss_sigmas) <= _SURE else f"over {_SURE}"
    return f"; {name} {jump.loss_change:+.2g} ({sigmas} sigma{lag})"
