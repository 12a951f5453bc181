"""Jumps on a figure: a band through its panels for each, named where there is room and else numbered, with a key."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes

from ...dynamics.feature_names import named
from ...dynamics.jumps import Jump
from ...dynamics.levels import nearest_level
from ...dynamics.signals import Signal
from .style import INK, escaped, spread

# How wide a letter of a mark is, as a share of the axis, and how far apart numbers stand.
_LETTER, _NUMBER_ROOM = 0.0105, 0.026
_MOST_IN_KEY = 16
# How many groups of features a mark names, and a line of the key; how many features are listed before they are counted
# instead, and how near they end to be one group.
_MARK_GROUPS, _KEY_GROUPS, _MOST_LISTED, _TOGETHER = 2, 4, 4, 0.05
# A mean as near to a level has its name.
_AT_LEVEL = 0.015
# Up to so many jumps have their features' numbers on the curves, of those that go this far.
_MOST_LABELLED, _FAR = 8, 0.15
_HALO: dict[str, Any] = {"boxstyle": "round,pad=0.12", "facecolor": "white", "alpha": 0.75, "linewidth": 0}
_BAND, _EDGE_OF_BAND = (0, 0, 0, 0.08), (0, 0, 0, 0.25)
# Nearer to an end of the axis than this, a mark extends to the other side; it starts so much of its width to the left.
_EDGE = 0.12
_SHARES = {"left": 0.0, "center": 0.5, "right": 1.0}
_CLEARANCE, _LINE_HEIGHT = 6.0, 10.0


class Marks(NamedTuple):
    """What was written above a panel: whether it is numbers, and its height in points, to be left free by a title."""

    are_numbers: bool
    height: float


def draw_jumps(panels: Sequence[Axes], jumps: Sequence[Jump], labels: Sequence[str] | None = None) -> Marks:
    """Draw the bands through the panels, and above the first one the marks; *labels* are the names of all features.

    The limits and the scale of the first panel are to be set before.
    """
    for jump in jumps:
        for ax in panels:
            # However short a jump is, its edges are a line.
            ax.axvspan(jump.start, jump.end, facecolor=_BAND, edgecolor=_EDGE_OF_BAND, linewidth=0.6, zorder=0.5)
    places = [_place(panels[0], (jump.start + jump.end) / 2) for jump in jumps]
    texts = [name_jump(jump, _MARK_GROUPS, labels) for jump in jumps]
    are_numbers = not _stand_apart(places, texts)
    if are_numbers:
        texts = [str(k + 1) for k in range(len(jumps))]
    _write_marks(panels[0], places, texts, are_numbers)
    return Marks(are_numbers, _CLEARANCE + _LINE_HEIGHT * max((text.count("\n") + 1 for text in texts), default=0))


def _stand_apart(places: Sequence[float], texts: Sequence[str]) -> bool:
    """Return whether marks that say this find room beside each other."""
    widths = [_LETTER * max(map(len, text.splitlines())) for text in texts]
    starts = [place - _SHARES[_alignment(place)] * width for place, width in zip(places, widths, strict=True)]
    return all(a + width <= b for a, b, width in zip(starts, starts[1:], widths, strict=False))


def _place(ax: Axes, x: float) -> float:
    """Return where x is on the axis, 0 at its left end and 1 at its right."""
    return float((ax.transScale + ax.transLimits).transform((x, 0.5))[0])


def _write_marks(ax: Axes, places: list[float], texts: Sequence[str], are_numbers: bool) -> None:
    for place, x, text in zip(places, spread(places, _NUMBER_ROOM), texts, strict=True):
        side = "center" if are_numbers else _alignment(place)
        ax.annotate(
            escaped(text), (x, 1.0), xycoords="axes fraction", xytext=(0, 2), textcoords="offset points",
            ha=side, va="bottom", fontsize=8, color="#444444", annotation_clip=False,
        )  # fmt: skip


def _alignment(place: float) -> str:
    """Return how a mark lies over its band without leaving the panel."""
    return "left" if place < _EDGE else "right" if place > 1 - _EDGE else "center"


def label_curves(
    ax: Axes, jumps: Sequence[Jump], step: np.ndarray, signal: Signal, labels: Sequence[str] | None = None
) -> None:
    """Write the numbers of the features, or their names, beside the curves that jump farthest, where they are half way.

    Shapes: step (T,), signal (T, n). Many jumps get none, since they would hide the curves.
    """
    if len(jumps) > _MOST_LABELLED:
        return
    for jump in jumps:
        row = int(np.searchsorted(step, (jump.start + jump.end) / 2))
        for members in _groups(jump)[:_MARK_GROUPS]:
            change = float(np.mean(jump.after[members] - jump.before[members]))
            if abs(change) >= _FAR and len(members) <= _MOST_LISTED:
                features = [jump.features[k] for k in members]
                height = float(np.mean([signal[row, feature] for feature in features]))
                _write_on_curve(
                    ax, escaped(", ".join(named(features, labels))), (float(step[row]), height), rises=change > 0
                )


def _write_on_curve(ax: Axes, text: str, place: tuple[float, float], *, rises: bool) -> None:
    """Write on the outer side of a bend, unless there is no room for it at the left end."""
    to_the_left = rises and _place(ax, place[0]) > _EDGE
    ax.annotate(
        text, place, xytext=(-5 if to_the_left else 5, 0), textcoords="offset points",
        ha="right" if to_the_left else "left", va="center", fontsize=8, color=INK, bbox=_HALO, zorder=4,
    )  # fmt: skip


def name_jump(jump: Jump, most: int, labels: Sequence[str] | None = None) -> str:
    """Return which features go from where to where, one group a line, the *most* that change farthest.

    The features of a group go the same way and end within 0.05; where they start and end are the means.
    """
    groups = _groups(jump)
    told = [_name_group(jump, members, labels) for members in groups[:most]]
    others = sum(map(len, groups[most:]))
    return "\n".join([*told, f"and {others} other{'s' * (others > 1)}"] if others else told)


def _groups(jump: Jump) -> list[list[int]]:
    """Return which features, by their place in the jump, go the same way to the same place, the farthest first."""
    groups: list[list[int]] = []
    rises = jump.after > jump.before
    for k in np.lexsort((jump.after, rises)).tolist():
        together = groups and rises[groups[-1][0]] == rises[k] and jump.after[k] - jump.after[groups[-1][0]] < _TOGETHER
        if together:
            groups[-1].append(k)
        else:
            groups.append([k])
    change = np.abs(jump.after - jump.before)
    return sorted((sorted(members) for members in groups), key=lambda members: -change[members].max())


def _name_group(jump: Jump, members: list[int], labels: Sequence[str] | None) -> str:
    count = len(members)
    listed = f"feature{'s' * (count > 1)} {', '.join(named([jump.features[k] for k in members], labels))}"
    who = listed if count <= _MOST_LISTED else f"{count} features"
    before, after = (_level(float(np.mean(values[members]))) for values in (jump.before, jump.after))
    return f"{who}: {before} → {after}"


def _level(value: float) -> str:
    # What lies a little way off a level was not at it: a number tells that better.
    level = nearest_level(value, _AT_LEVEL)
    return level.label if level else f"{value:.2f}"


def key_of(jumps: Sequence[Jump], loss_name: str, labels: Sequence[str] | None = None) -> list[str]:
    """Return what the numbers stand for, a line for each jump."""
    lines = [f"{k + 1}   {_line(jump, loss_name, labels)}" for k, jump in enumerate(jumps[:_MOST_IN_KEY])]
    if len(jumps) > _MOST_IN_KEY:
        lines.append(f"and {len(jumps) - _MOST_IN_KEY} more, which `dyn jumps` tells")
    return lines


def _line(jump: Jump, loss_name: str, labels: Sequence[str] | None) -> str:
    loss = f"; {loss_name} {jump.loss_change:+.2g}" if np.isfinite(jump.loss_change) else ""
    return f"steps {jump.start:g}-{jump.end:g}: {'; '.join(name_jump(jump, _KEY_GROUPS, labels).splitlines())}{loss}"
