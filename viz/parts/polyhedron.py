"""A set of features in space as a polyhedron: hull, feature graph, feature vectors and labels, seen by a camera."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgba_array

from ...dynamics.feature_names import named
from ...dynamics.geometry.hull import Hull, convex_hull
from ...dynamics.polytopes.identification import ORTHOGONAL
from .labels import Label
from .style import FAINT, INK, MARKERS, escaped

# Seen from a little above, as polyhedra are drawn in books.
ELEVATION = np.radians(20)
_DISTANCE = 6.0
# What lies beyond the longest feature stays in front of the camera, and its squares are numbers.
_NEAREST, _HUGE = 3.0, 1e9
_FACE = np.array([0.45, 0.53, 0.62])
_LIGHT = np.array([0.35, 0.55, 0.75]) / np.linalg.norm([0.35, 0.55, 0.75])
_EDGE, _JOIN = (0.25, 0.3, 0.36, 1.0), (0.15, 0.18, 0.22, 1.0)
_LABEL_OFFSET = 0.11
# Features shorter than this fraction of the longest one of the run carry no label; they would hide each other.
_LABELLED = 0.3
_MOST_LABELS = 24
# Of more features than that the dots are smaller.
_CROWD = 30
# So much is seen of a feature that lies wholly outside of the picture's dimensions.
_HAZE = 0.12
# A label is moved aside so often at most; further away it would belong to nothing.
_SHIFTS = 4
# Lines of the feature graph come and go between these cosines, around the one from which on features are joined; the
# strongest lines are drawn, since more would hide each other.
_FADE = (0.8 * ORTHOGONAL, 1.2 * ORTHOGONAL)
_MOST_JOINED = 120
# The edges of the hull step back behind the lines of the graph, which say more.
_BEHIND_JOINS = 0.45


class _Lines(NamedTuple):
    """Straight lines on the picture: ends (k, 2, 2), colours (k, 4) and widths (k,)."""

    ends: np.ndarray
    colours: np.ndarray
    widths: np.ndarray


class Polyhedron:
    """Draws features on an axes and moves them from frame to frame.

    Points are projected here, in perspective and with the far things first, because a whole 3D axes redrawn for every
    frame costs ten times as much. *radius* is the length that fills the picture, *scale* the size of dots and labels;
    *names* are written beside the features, which have numbers otherwise.
    """

    def __init__(
        self,
        ax: Axes,
        colours: Sequence[str],
        sets: Sequence[int],
        radius: float,
        *,
        scale: float = 1.0,
        names: Sequence[str] | None = None,
    ):
        self._colours = to_rgba_array(colours)
        # What ends unrepresented is drawn small, and all is where there is a crowd of it, so that it hides nothing.
        weights = np.array([0.25 if colour == FAINT else 1.0 for colour in colours])
        self._weights = scale**2 * weights * np.clip(_CROWD / weights.sum(), 0.25, 1)
        # Of each set, which features are in it.
        self._members = [np.asarray(sets) == k for k in range(max(sets) + 1)]
        self._radius = radius
        ax.set_xlim(-1.25, 1.25)
        ax.set_ylim(-1.25, 1.25)
        ax.set_aspect("equal")
        ax.set_axis_off()
        self._faces = PolyCollection([], linewidths=0, zorder=1)
        # One collection for all lines, since each costs as much as a hundred of its lines.
        self._lines = LineCollection([], zorder=2, capstyle="round")
        ax.add_collection(self._faces)
        ax.add_collection(self._lines)
        self._dots = [ax.scatter([], [], marker=MARKERS[k % len(MARKERS)], zorder=4) for k in range(len(self._members))]
        look = {"ha": "center", "va": "center", "fontsize": 9 * scale, "color": INK, "zorder": 5, "clip_on": False}
        self._labels = [Label(0, 0, escaped(name), **look) for name in names or named(range(len(sets)))]
        for label in self._labels:
            ax.add_artist(label)

    @property
    def artists(self) -> list[Artist]:
        """What moves, in the order in which it is to be drawn."""
        return [self._faces, self._lines, *self._dots, *self._labels]

    def move(
        self, points: np.ndarray, azimuth: float, elevation: float = ELEVATION, *, W: np.ndarray | None = None
    ) -> None:
        """Put the features at *points* (n, 3), in the units of W, and look from these angles in radians.

        Given *W* (m, n) itself, features that share a dimension are joined by lines, the feature graph; and those that
        lie mostly in dimensions that the points do not show are faint.
        """
        points = _within(_NEAREST, points, self._radius)
        W = None if W is None else _within(_HUGE, W, self._radius)
        shares = np.ones(len(points)) if W is None else _shares(points, W)
        view = points @ _camera(azimuth, elevation).T
        flat = _perspective(view)
        order = np.argsort(view[:, 2])
        colours = self._colours.copy()
        colours[:, 3] *= (0.45 + 0.55 * _nearness(view[:, 2])) * shares
        hull = convex_hull(view)
        self._move_faces(hull, view, flat)
        lines = [self._edges(hull, view, flat, strength=1.0 if W is None else _BEHIND_JOINS)]
        if W is not None:
            lines.append(self._joins(_cosines(W), np.linalg.norm(points, axis=1) * shares, flat))
        lines.append(_rays(view[order], flat[order], colours[order]))
        self._lines.set_segments(list(np.concatenate([each.ends for each in lines])))
        self._lines.set_color(np.concatenate([each.colours for each in lines]).tolist())
        self._lines.set_linewidth(np.concatenate([each.widths for each in lines]).tolist())
        self._move_dots(order, view, flat, colours)
        self._move_labels(np.linalg.norm(points, axis=1) * shares, view, flat)

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

    def _edges(self, hull: Hull, view: np.ndarray, flat: np.ndarray, strength: float) -> _Lines:
        nearness = _nearness(view[hull.edges][..., 2].mean(axis=1))
        colours = np.tile(_EDGE, (len(nearness), 1))
        colours[:, 3] = strength * (0.25 + 0.65 * nearness)
        return _Lines(flat[hull.edges], colours, 0.5 + 1.1 * nearness)

    def _joins(self, cosines: np.ndarray, length: np.ndarray, flat: np.ndarray) -> _Lines:
        i, j = np.nonzero(np.abs(np.triu(cosines, 1)) > _FADE[0])
        share = np.abs(cosines[i, j])
        # A feature on its way to nothing, or out of the picture, takes its lines along.
        presence = np.minimum(length[i], length[j]).clip(0, 1)
        strength = presence * np.clip((share - _FADE[0]) / (_FADE[1] - _FADE[0]), 0, 1)
        strongest = np.argsort(strength)[-_MOST_JOINED:]
        i, j, share, strength = i[strongest], j[strongest], share[strongest], strength[strongest]
        alike = (self._colours[i] == self._colours[j]).all(axis=1, keepdims=True)
        colours = np.where(alike, self._colours[i], _JOIN)
        colours[:, 3] = strength * (0.1 + 0.8 * share)
        return _Lines(np.stack([flat[i], flat[j]], axis=1), colours, 0.7 + 1.5 * share)

    def _move_dots(self, order: np.ndarray, view: np.ndarray, flat: np.ndarray, colours: np.ndarray) -> None:
        sizes = (38 + 60 * _nearness(view[:, 2])) * self._weights
        for dots, members in zip(self._dots, self._members, strict=True):
            chosen = order[members[order]]
            dots.set_offsets(flat[chosen])
            dots.set_facecolor(colours[chosen].tolist())
            # White rims keep dots apart; those of a crowd of faint ones would hide it.
            dots.set_edgecolor([(1.0, 1.0, 1.0, alpha) for alpha in colours[chosen, 3] ** 2])
            dots.set_linewidth((0.7 * np.sqrt(self._weights[chosen])).tolist())
            dots.set_sizes(sizes[chosen])

    def _move_labels(self, length: np.ndarray, view: np.ndarray, flat: np.ndarray) -> None:
        across = np.linalg.norm(view[:, :2], axis=1, keepdims=True)
        # A feature that points at the camera has no direction on the picture; its label goes above it.
        outward = np.where(across > 0.05, view[:, :2] / np.maximum(across, 1e-12), (0.0, 1.0))
        longest = np.argsort(-length)[:_MOST_LABELS]
        shown = np.sort(longest[length[longest] > _LABELLED])
        named = set(shown.tolist())
        for i, label in enumerate(self._labels):
            label.set_visible(i in named)
        for i, place in zip(shown, _apart((flat + _LABEL_OFFSET * outward)[shown]), strict=True):
            self._labels[i].set_position((float(place[0]), float(place[1])))


def _rays(view: np.ndarray, flat: np.ndarray, colours: np.ndarray) -> _Lines:
    """Return the features as lines from the origin."""
    ends = np.stack([np.zeros_like(flat), flat], axis=1)
    return _Lines(ends, colours, 1.0 + 1.4 * _nearness(view[:, 2]))


def _within(most: float, values: np.ndarray, radius: float) -> np.ndarray:
    """Return values in units of the *radius* that can be drawn: what diverges goes no farther than *most*."""
    with np.errstate(over="ignore"):
        return (np.nan_to_num(values) / radius).clip(-most, most)


def _shares(points: np.ndarray, W: np.ndarray) -> np.ndarray:
    """Return how much is to be seen of each feature, by the share of its length that the points show; (n,)."""
    lengths = np.linalg.norm(W, axis=0)
    shown = np.linalg.norm(points, axis=1) / np.maximum(lengths, np.finfo(float).tiny)
    return _HAZE + (1 - _HAZE) * np.where(lengths > 0, shown, 1.0).clip(0, 1) ** 2


def _cosines(W: np.ndarray) -> np.ndarray:
    """Return Ŵ_i · Ŵ_j (n, n); 0 for a feature that is 0."""
    unit = W / np.maximum(np.linalg.norm(W, axis=0), np.finfo(float).tiny)
    return unit.T @ unit


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
