"""Features in a plane: arrows from the origin, and the polygon around them."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Polygon
from matplotlib.patheffects import AbstractPathEffect, withStroke

from ...dynamics.feature_names import named
from ...dynamics.geometry.hull import convex_hull
from .style import INK, MARKERS, escaped

# The circle of radius 1 is where a feature has its full length.
_CIRCLE = "#CCCCCC"
# A feature shorter than this is a dot at the origin, and has no name.
_SHORT = 0.15
# Ends that are nearer than this, as a share of the radius, are one place; how far a label lies beyond it.
_SAME = 0.12
_OFFSET, _WIDER = 0.16, 0.05
_HALO: list[AbstractPathEffect] = [withStroke(linewidth=2, foreground="white")]


def draw_plane(
    ax: Axes,
    W: np.ndarray,
    colours: Sequence[str],
    radius: float,
    sets: Sequence[int] | np.ndarray | None = None,
    *,
    labels: Sequence[str] | None = None,
) -> None:
    """Draw the columns of W (2, n) as numbered arrows, their convex hull as a polygon, and the unit circle.

    *radius* is the length that fills the picture; the ends of features of different *sets* have different shapes.
    *labels* are the names of all features, which have numbers otherwise.
    """
    hull = convex_hull(np.column_stack([W.T, np.zeros(W.shape[1])]))
    ax.add_patch(Polygon(_circle(), closed=True, fill=False, edgecolor=_CIRCLE, linewidth=0.7, linestyle=":"))
    if hull.rank == 2:
        corners = W.T[hull.edges[:, 0]]
        ax.add_patch(Polygon(corners, closed=True, facecolor="#E8EBEF", edgecolor="#98A2AE", linewidth=0.8))
    for i, (x, y) in enumerate(W.T):
        ax.plot([0, x], [0, y], color=colours[i], linewidth=1.6, solid_capstyle="round", zorder=3)
        marker = MARKERS[0 if sets is None else sets[i] % len(MARKERS)]
        ax.plot([x], [y], marker, color=colours[i], markersize=4.5, zorder=4)
    _name_features(ax, W, radius, labels)
    ax.set_xlim(-1.3 * radius, 1.3 * radius)
    ax.set_ylim(-1.3 * radius, 1.3 * radius)
    ax.set_aspect("equal")
    ax.set_axis_off()


def _name_features(ax: Axes, W: np.ndarray, radius: float, labels: Sequence[str] | None) -> None:
    """Write the names of the features at the ends of their arrows; those that end in one place share a label."""
    rest = [i for i in range(W.shape[1]) if np.linalg.norm(W[:, i]) > _SHORT]
    while rest:
        end = W[:, rest[0]]
        together = [i for i in rest if np.linalg.norm(W[:, i] - end) < _SAME * radius]
        rest = [i for i in rest if i not in together]
        place = end * (1 + (_OFFSET + _WIDER * (len(together) - 1)) * radius / np.linalg.norm(end))
        text = escaped(", ".join(named(together, labels)))
        ax.text(*place.tolist(), text, ha="center", va="center", fontsize=7.5, color=INK, zorder=5).set_path_effects(
            _HALO
        )


def _circle() -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    return np.column_stack([np.cos(angle), np.sin(angle)])
