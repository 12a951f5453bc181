"""The figures of features in sets: which directions of a plane a set gets, and when it collapses into one."""

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ....dynamics.geometry.measures import norms
from ....dynamics.phenomena.collapse import collapsed_sets, set_cosines
from ....recorders.reading.recording import Recording
from ....recorders.reading.selection import select
from ...kinds import check_fits
from ...parts.members import DrawnMember, final_matrices, members
from ...parts.panels import canvas, write_notes, write_title
from ...parts.plane import draw_plane
from ...parts.style import INK, LINE, MARKERS, palette, style

_COLUMN, _HEIGHT, _HEIGHTS = 2.0, 4.4, (1.5, 1.0)
# What a cosine says of two features.
_ANGLES = {1.0: "one direction", 0.0: "right angle", -1.0: "antipodal"}
_JITTER = 0.16
# Cosines up to here are those of antipodes, and so far from 0 they are those of right angles.
_ANTIPODAL, _RIGHT = -0.95, 0.2
_COLLAPSE = (
    "Above, the features of the best model at each density p, those of a set alike; an arrow is the direction that a "
    "feature gets, and a dashed line the principal component that a collapsed set shares. Below, the least cosine "
    "within each set: large marks for the model above, small dots for all others."
)
_CORRELATED = (
    "Above, the features of the best model at each density p, those of a set alike; an arrow is the direction that a "
    "feature gets. Below, the least cosine within each set: 0 where its features are orthogonal, as if they were "
    "alone, -1 where they are antipodes; large marks for the model above, small dots for all others."
)


def plot_collapse(recording: Recording, ax: Axes | None = None, *, parameter: str | None = None) -> Figure:
    """Plot sets of features in a plane at each density, and how many of them have collapsed into one direction.

    A collapsed set has cosines of at least 0.95, and its direction is that of its principal component, Σ_i W_i. One
    column for each density; of repeats the one with the least loss is drawn, and the least cosine within each set of
    all of them below. Given *ax*, the panels take its place.

    parameter: whose features, by default the first that has any. Raises SettingError where the recording is of another
    kind or lacks the parameter.
    Source: Toy Models of Superposition, "Collapsing of Correlated Features".
    """
    check_fits(recording, "collapse")
    return _plot(recording, ax, parameter, _draw_components, lambda _: _COLLAPSE)


def plot_correlated(recording: Recording, ax: Axes | None = None, *, parameter: str | None = None) -> Figure:
    """Plot sets of features in a plane at each density, and the angles within them.

    Drawn as by plot_collapse(), which tells more where there are more sets than room for them; parameters and errors
    are the same.
    Source: Toy Models of Superposition, "The Geometry of Correlated Superposition", local almost-orthogonal bases.
    """
    check_fits(recording, "correlated")
    return _plot(recording, ax, parameter, lambda *_: None, lambda cosines: f"{_CORRELATED} {_counted(cosines)}")


def _plot(
    recording: Recording,
    ax: Axes | None,
    parameter: str | None,
    add: Callable[[Axes, DrawnMember, np.ndarray, float], None],
    caption: Callable[[np.ndarray], str],
) -> Figure:
    """Draw the planes above the cosines; *add* adds to a plane what the figure is about.

    *caption* is given the least cosine within each set, (models, sets).
    """
    shown, selection = members(recording, parameter), select(recording, parameter)
    sets = selection.sets
    assert sets is not None
    count = int(sets.max()) + 1
    cosines = set_cosines(final_matrices(selection).astype(float), count).reshape(len(shown), -1, count)
    radius = max(1.0, *(float(norms(member.W).max()) for member in shown))
    with style():
        width = _COLUMN * max(len(shown), 3)
        figure, host = canvas(ax, (width, _HEIGHT))
        write_title(host, selection.heading, width)
        panels = host.subplots(2, len(shown), squeeze=False, sharey="row", height_ratios=_HEIGHTS)
        for (plane, angles), member, each in zip(panels.T, shown, cosines, strict=True):
            plane.set_title(member.title, loc="center", fontsize=10)
            draw_plane(plane, member.W, [palette(count)[k] for k in sets], radius, sets, labels=selection.labels)
            add(plane, member, sets, radius)
            _draw_cosines(angles, each, set_cosines(member.W, count))
        panels[1, 0].set_ylabel("cosine within a set")
        _name_angles(panels[1, -1])
        if ax is None:
            write_notes(figure, [caption(cosines.reshape(-1, count))])
    return figure


def _counted(cosines: np.ndarray) -> str:
    """Say in how many models all sets are antipodal, and at right angles; of the least cosines (models, sets)."""
    models = len(cosines)
    antipodal, right = (int(each.all(axis=1).sum()) for each in (cosines <= _ANTIPODAL, abs(cosines) <= _RIGHT))
    return (
        f"Of {models} model{'s' * (models != 1)}, {antipodal} ({antipodal / models:.0%}) have all sets antipodal "
        f"(cosine ≤ {_ANTIPODAL}), {right} ({right / models:.0%}) all at right angles (within ± {_RIGHT})."
    )


def _draw_components(ax: Axes, member: DrawnMember, sets: np.ndarray, radius: float) -> None:
    """Draw the principal component of each collapsed set, and tell how many have collapsed."""
    count = int(sets.max()) + 1
    for k in range(count):
        W = member.W[:, sets == k]
        if collapsed_sets(W, 1):
            end = 1.15 * radius * W.sum(1) / np.linalg.norm(W.sum(1))
            ax.plot(*zip(-end, end, strict=True), color=palette(count)[k], linewidth=0.9, linestyle="--", zorder=2)
    ax.set_title(f"{member.title}\n{collapsed_sets(member.W, count)} of {count} collapsed", loc="center", fontsize=10)


def _draw_cosines(ax: Axes, cosines: np.ndarray, best: np.ndarray) -> None:
    """Draw the cosines of each set (models, sets), and of the best model (sets,)."""
    rng = np.random.default_rng(0)
    colours = palette(len(best))
    for k, colour in enumerate(colours):
        spread = k + rng.uniform(-_JITTER, _JITTER, len(cosines))
        ax.scatter(spread, cosines[:, k], s=7, color=colour, alpha=0.4, linewidths=0, rasterized=True)
        marker = MARKERS[k % len(MARKERS)]
        ax.plot([k], [best[k]], marker, color=colour, markersize=8, markeredgecolor=INK, markeredgewidth=0.8)
    for cosine in _ANGLES:
        ax.axhline(cosine, color=LINE, linewidth=0.8, zorder=0)
    ax.set_xlim(-0.6, len(best) - 0.4)
    ax.set_ylim(-1.12, 1.12)
    ax.set_xticks(range(len(best)))
    ax.set_xlabel("set")


def _name_angles(ax: Axes) -> None:
    for cosine, name in _ANGLES.items():
        ax.annotate(
            name, (1.0, cosine), xycoords=("axes fraction", "data"), xytext=(5, 0), textcoords="offset points",
            va="center", fontsize=8, color="#555555", annotation_clip=False,
        )  # fmt: skip
