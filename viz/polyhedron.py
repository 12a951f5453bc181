"""A set of features in space as a polyhedron: hull, feature vectors and labels, seen by a camera."""

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgba_array

from ..dynamics.hull import Hull, convex_hull
from .style import FAINT, INK, MARKERS

# Seen from a little above, as polyhedra are drawn in books.
ELEVATION = np.radians(20)
_DISTANCE = 6.0
_FACE = np.array([0.45, 0.53, 0.62])
_LIGHT = np.array([0.35, 0.55, 0.75]) / np.linalg.norm([0.35, 0.55, 0.75])
_LABEL_OFFSET = 0.11
# Features shorter than this fraction of the longest one of the run carry no label; they would hide each other.
_LABELLED = 0.3
_MOST_LABELS = 24
# A label is moved aside so often at most; further away it would belong to nothing.
_SHIFTS = 4


class Polyhedron:
    """Draws features on an axes and moves them from frame to frame.

    Points are projected here, in perspective and with the far things first, because a whole 3D axes redrawn for every
    frame costs ten times as much. *radius* is the length that fills the picture.
    """

    def __init__(self, ax: Axes, colours: Sequence[str], sets: Sequence[int], radius: float):
        self._colours = to_rgba_array(colours)
        # What ends unrepresented is drawn small, so that a crowd of it hides nothing.
        self._weights = np.array([0.25 if colour == FAINT else 1.0 for colour in colours])
        self._sets = np.asarray(sets)
        self._radius = radius
        ax.set_xlim(-1.25, 1.25)
        ax.set_ylim(-1.25, 1.25)
        ax.set_aspect("equal")
        ax.set_axis_off()
        self._faces = PolyCollection([], linewidths=0, zorder=1)
        self._edges = LineCollection([], zorder=2, capstyle="round")
        self._rays = LineCollection([], zorder=3, capstyle="round")
        for collection in (self._faces, self._edges, self._rays):
            ax.add_collection(collection)
        self._dots = [
            ax.scatter([], [], marker=MARKERS[k % len(MARKERS)], zorder=4, edgecolors="white", linewidths=0.7)
            for k in range(int(self._sets.max()) + 1)
        ]
        self._labels = [
            ax.text(0, 0, str(i), ha="center", va="center", fontsize=9, color=INK, zorder=5) for i in range(len(sets))
        ]

    @property
    def artists(self) -> list[Artist]:
        """What moves, in the order in which it is to be drawn."""
        return [self._faces, self._edges, self._rays, *self._dots, *self._labels]

    def move(self, points: np.ndarray, azimuth: float, elevation: float = ELEVATION) -> None:
        """Put the features at *points* (n, 3), in the units of W, and look from these angles in radians."""
        points = np.nan_to_num(points) / self._radius
        view = points @ _camera(azimuth, elevation).T
        flat = _perspective(view)
        hull = convex_hull(view)
        self._move_faces(hull, view, flat)
        self._move_edges(hull, view, flat)
        self._move_rays(view, flat)
        self._move_labels(points, view, flat)

    def _move_faces(self, hull: Hull, view: np.ndarray, flat: np.ndarray) -> None:
        if not len(hull.faces):
            self._faces.set_verts([])
            return
        corners = view[hull.faces]
        order = np.argsort(corners[..., 2].mean(axis=1))
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
        brightness = 0.75 + 0.45 * np.abs(normals @ _LIGHT)
        colours = np.column_stack([np.clip(np.outer(brightness, _FACE), 0, 1), np.full(len(brightness), 0.22)])
        self._faces.set_verts(list(flat[hull.faces[order]]))
        self._faces.set_facecolor(colours[order].tolist())

    def _move_edges(self, hull: Hull, view: np.ndarray, flat: np.ndarray) -> None:
        self._edges.set_segments(list(flat[hull.edges]))
        nearness = _nearness(view[hull.edges][..., 2].mean(axis=1))
        self._edges.set_linewidth((0.5 + 1.1 * nearness).tolist())
        self._edges.set_color([(0.25, 0.3, 0.36, alpha) for alpha in 0.25 + 0.65 * nearness])

    def _move_rays(self, view: np.ndarray, flat: np.ndarray) -> None:
        nearness = _nearness(view[:, 2])
        colours = self._colours.copy()
        colours[:, 3] *= 0.45 + 0.55 * nearness
        order = np.argsort(view[:, 2])
        self._rays.set_segments([np.array([[0.0, 0.0], flat[i]]) for i in order])
        self._rays.set_color(colours[order].tolist())
        self._rays.set_linewidth((1.0 + 1.4 * nearness)[order].tolist())
        for k, dots in enumerate(self._dots):
            members = [i for i in order if self._sets[i] == k]
            dots.set_offsets(flat[members])
            dots.set_facecolor(colours[members].tolist())
            dots.set_sizes((38 + 60 * nearness[members]) * self._weights[members])

    def _move_labels(self, points: np.ndarray, view: np.ndarray, flat: np.ndarray) -> None:
        length = np.linalg.norm(points, axis=1)
        across = np.linalg.norm(view[:, :2], axis=1, keepdims=True)
        # A feature that points at the camera has no direction on the picture; its label goes above it.
        outward = np.where(across > 0.05, view[:, :2] / np.maximum(across, 1e-12), (0.0, 1.0))
        longest = np.argsort(-length)[:_MOST_LABELS]
        shown = np.sort(longest[length[longest] > _LABELLED])
        for i, label in enumerate(self._labels):
            label.set_visible(i in shown)
        for i, place in zip(shown, _apart((flat + _LABEL_OFFSET * outward)[shown]), strict=True):
            self._labels[i].set_position((float(place[0]), float(place[1])))


def _camera(azimuth: float, elevation: float = ELEVATION) -> np.ndarray:
    """Return the rotation from the features' space to the camera's: x to the right, y up, z towards the viewer."""
    c, s = np.cos(azimuth), np.sin(azimuth)
    ce, se = np.cos(elevation), np.sin(elevation)
    turned = np.array([[c, s, 0.0], [0.0, 0.0, 1.0], [s, -c, 0.0]])
    return np.array([[1.0, 0.0, 0.0], [0.0, ce, -se], [0.0, se, ce]]) @ turned


def _perspective(view: np.ndarray) -> np.ndarray:
    return view[:, :2] * (_DISTANCE / (_DISTANCE - view[:, 2:]))


def _nearness(depth: np.ndarray) -> np.ndarray:
    """Return 0 for the far end of the scene and 1 for the near one."""
    return np.clip((depth + 1) / 2, 0, 1)


def _apart(places: np.ndarray) -> np.ndarray:
    """Return label places of which none lies on another: features in one direction have their labels in a row."""
    moved = places.copy()
    for i in range(len(moved)):
        for _ in range(_SHIFTS):
            if not (np.abs(moved[:i] - moved[i]) < (0.07, 0.06)).all(axis=1).any():
                break
            moved[i, 0] += 0.075
    return moved
