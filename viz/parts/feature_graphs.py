"""Feature graphs: which features overlap with which, each group of them drawn as the polytope that it forms."""

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from ...dynamics.chance import judge
from ...dynamics.polytopes import Polytope, summary
from ...dynamics.polytopes.identification import ORTHOGONAL
from .style import INK, MARKERS, PALETTE

# Groups of these names have colours and marks of their own; whatever else is grey.
_NAMED = ("dedicated", "digon", "triangle", "tetrahedron", "pentagon", "square antiprism")
_OTHER = "#777777"
# Neighbours on a circle are this far apart, as long as they are no more than so many; beyond, circles grow slower.
_SPACING, _CROWD = 0.8, 8
_GAP = 0.9
_LETTERS, _LINES = 20, 4
_MOST_DOTS = 40
# Thousands of edges are so faint that they do not run together.
_INK_OF_EDGES = 300


def draw_feature_graph(ax: Axes, W: np.ndarray) -> None:
    """Draw the represented features of W (m, n) as dots, joined where |cos| is 0.3 or more, and name the polytopes.

    Groups are laid out side by side, each in a circle in the order of its features' angles in the plane of its two
    largest principal components.
    """
    polytopes = judge(W).parts
    groups = sorted((each for each in polytopes if each.rank), key=lambda each: -len(each.features))
    unit = W / np.maximum(np.linalg.norm(W, axis=0), np.finfo(float).tiny)
    centres = _packed([_radius(len(each.features)) for each in groups])
    drawn = [
        _draw_group(ax, unit[:, list(group.features)], group.name, centre)
        for group, centre in zip(groups, centres, strict=True)
    ]
    _frame(ax, np.concatenate([np.zeros((1, 2)), *drawn]))
    ax.text(0.5, -0.04, _words(polytopes), transform=ax.transAxes, ha="center", va="top", fontsize=7, color=INK)


def names_in(W: np.ndarray) -> set[str]:
    """Return the names of the polytopes of the catalogue that some features of W form, and not by chance."""
    return {each.name for each in judge(W).shaped if len(each.features) > 1}


def _frame(ax: Axes, places: np.ndarray) -> None:
    """Show all *places* (k, 2) in a square, so that graphs side by side stand on one line."""
    low, high = places.min(0), places.max(0)
    half = (high - low).max() / 2 + _GAP
    middle = (low + high) / 2
    ax.set_xlim(middle[0] - half, middle[0] + half)
    ax.set_ylim(middle[1] - half, middle[1] + half)
    ax.set_aspect("equal")
    ax.set_axis_off()


def _words(polytopes: Sequence[Polytope]) -> str:
    represented = [each for each in polytopes if each.rank]
    return textwrap.fill(summary(represented) or "nothing", _LETTERS, max_lines=_LINES, placeholder=" …")


def _draw_group(ax: Axes, unit: np.ndarray, name: str, centre: np.ndarray) -> np.ndarray:
    """Draw the features *unit* (m, k) of one group around *centre*, and return their places."""
    places = centre + _circle(unit)
    cosines = abs(unit.T @ unit)
    joined = np.argwhere(np.triu(cosines >= ORTHOGONAL, 1))
    known = name in _NAMED
    colour = PALETTE[_NAMED.index(name)] if known else _OTHER
    crowded = len(places) > _MOST_DOTS
    ax.add_collection(
        LineCollection(
            places[joined].tolist(), colors=colour, linewidths=0.3 if crowded else 0.9,
            alpha=min(0.8, _INK_OF_EDGES / max(1, len(joined))), rasterized=len(joined) > 1000, zorder=1,
        )
    )  # fmt: skip
    marker = MARKERS[_NAMED.index(name) % len(MARKERS)] if known else "o"
    ax.plot(*places.T, marker, color=colour, markersize=1.5 if crowded else 2.6, zorder=2)
    return places


def _circle(unit: np.ndarray) -> np.ndarray:
    """Return a place on a circle for each column of unit (m, k), neighbours being those of like directions; (k, 2)."""
    k = unit.shape[1]
    axes = np.linalg.svd(unit, full_matrices=False)[0][:, :2]
    plane = np.pad(axes, [(0, 0), (0, 2 - axes.shape[1])]).T @ unit
    order = np.argsort(np.arctan2(plane[1], plane[0]))
    angle = np.empty(k)
    angle[order] = np.pi / 2 + 2 * np.pi * np.arange(k) / k
    return _radius(k) * np.column_stack([np.cos(angle), np.sin(angle)])


def _radius(count: int) -> float:
    """Return the radius of a circle for so many features."""
    if count == 1:
        return 0.0
    few = min(count, _CROWD)
    return _SPACING / (2 * np.sin(np.pi / few)) * (count / few) ** 0.5


def _packed(radii: list[float]) -> list[np.ndarray]:
    """Return the centres of circles set in rows, from left to right, that make about a square."""
    sizes = [2 * radius + _GAP for radius in radii]
    width = max(1.1 * np.sqrt(np.square(sizes).sum()), max(sizes, default=0))
    centres, x, y, height = [], 0.0, 0.0, 0.0
    for size in sizes:
        if x + size > width and x > 0:
            x, y, height = 0.0, y - height, 0.0
        height = max(height, size)
        centres.append(np.array([x + size / 2, y - height / 2]))
        x += size
    return centres
