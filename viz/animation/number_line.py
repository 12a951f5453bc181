"""Features in one dimension: a line for each, so that equal ones do not hide each other."""

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgba_array

from ...dynamics.feature_names import named
from ..parts.labels import Label
from ..parts.style import INK, LINE, escaped

# The lines take up to so much of the picture's height, and are not further apart than this.
_HEIGHT, _GAP = 1.8, 0.4
# More features than that carry no label.
_MOST_LABELS = 24


class NumberLine:
    """Draws features on an axes and moves them from frame to frame, as Polyhedron does in space."""

    def __init__(
        self,
        ax: Axes,
        colours: Sequence[str],
        radius: float,
        *,
        scale: float = 1.0,
        names: Sequence[str] | None = None,
    ):
        n = len(colours)
        gap = min(_GAP, _HEIGHT / max(n - 1, 1))
        self._lane = gap * ((n - 1) / 2 - np.arange(n))
        self._radius = radius
        colour = to_rgba_array(colours).tolist()
        ax.set_xlim(-1.25, 1.25)
        ax.set_ylim(-1.25, 1.25)
        ax.set_aspect("equal")
        ax.set_axis_off()
        _draw_axis(ax, radius, self._lane, scale)
        self._rays = LineCollection([], colors=colour, linewidths=2.2 * scale, zorder=3)
        ax.add_collection(self._rays)
        self._dots = ax.scatter([], [], s=80 * scale**2, zorder=4, edgecolors="white", linewidths=0.7)
        self._dots.set_facecolor(colour)
        self._labels = [
            Label(0, 0, escaped(name), ha="center", va="center", fontsize=9 * scale, color=INK, zorder=5)
            for name in (named(range(n)) if names is None else names)[: n if n <= _MOST_LABELS else 0]
        ]
        for label in self._labels:
            ax.add_artist(label)

    @property
    def artists(self) -> list[Artist]:
        """What moves, in the order in which it is to be drawn."""
        return [self._rays, self._dots, *self._labels]

    def move(self, points: np.ndarray) -> None:
        """Put the features at *points* (n, 3), in the units of W, of which only the first axis is looked at."""
        x = np.nan_to_num(points[:, 0]) / self._radius
        ends = np.column_stack([x, self._lane])
        self._rays.set_segments(list(np.stack([np.column_stack([np.zeros(len(x)), self._lane]), ends], axis=1)))
        self._dots.set_offsets(ends)
        for label, (across, lane) in zip(self._labels, ends.tolist(), strict=False):
            label.set_position((across + (0.11 if across >= 0 else -0.11), lane))


def _draw_axis(ax: Axes, radius: float, lane: np.ndarray, scale: float) -> None:
    """Draw the lines, and where 0 and the lengths 1 and -1 are."""
    ax.hlines(lane, -1.2, 1.2, colors=LINE, linewidth=0.8, zorder=0)
    top = float(lane.max()) + 0.2
    for value in (-1, 0, 1):
        if abs(value) <= 1.2 * radius:
            ax.vlines(value / radius, -top, top, colors="#999999", linewidth=0.8, zorder=0)
            ax.text(value / radius, -top - 0.1, str(value), ha="center", fontsize=8 * scale, color="#666666")
