"""The regimes figure: the loss with the stretches of learning, what the features form after each, and what happens."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import ConnectionPatch

from ...dynamics.errors import SettingError
from ...dynamics.feature_names import named
from ...dynamics.geometry.directions import projection
from ...dynamics.motion.regimes import Regime
from ...dynamics.motion.words import describe
from ...recorders.reading.recording import Recording
from ...recorders.reading.selection import Selection, select
from ...recorders.stories.story import tell
from ..kinds import check_fits
from ..parts.panels import canvas, write_notes
from ..parts.polyhedron import Polyhedron
from ..parts.style import escaped, feature_colours, style
from .levels import draw_loss

_SIZE, _POLYHEDRON, _LOSS = (9.0, 4.6), 1.35, 2.4
_BANDS = ("#EAEAEA", "#F8F8F8")
_SMALL = 0.75
_AZIMUTH = np.radians(-55)
_CAPTION = (
    "Each band is a stretch of learning in which one thing happens; above it, what the features form at its end, each "
    "an arrow in the hidden space with its number."
)


def plot_regimes(
    recording: Recording, ax: Axes | None = None, *, parameter: str | None = None, instance: int | None = None
) -> Figure:
    """Plot the loss with the regimes of a run as bands, the polyhedron at the end of each, and its words below.

    Steps are drawn by their square root, since early regimes are short and late ones slow. In more than three hidden
    dimensions a polyhedron is the projection of dynamics.projection. Given *ax*, the panels take its place and the
    words, for which there is no room, are left out.

    parameter and instance choose as in plot_levels(). Raises SettingError where the recording is of another kind, its
    weights are not finite, or it lacks the parameter or instance.
    Source: Toy Models of Superposition, "Superposition and Learning Dynamics", phenomenon 2.
    """
    check_fits(recording, "regimes")
    selection = select(recording, parameter, instance)
    story = tell(recording, parameter, instance)
    regimes = story.regimes
    if regimes == []:
        raise SettingError(
            f"{recording.path} has no regimes to tell{'' if story.verdict is None else f': {story.verdict.words}'}; "
            "plot its levels"
        )
    if regimes is None:
        raise SettingError(f"{recording.path} has no regimes to tell: weights that are not finite; plot its levels")
    with style():
        figure, host = canvas(ax, _SIZE)
        host.suptitle(escaped(selection.title), x=0.01, ha="left", fontsize=11)
        grid = host.add_gridspec(2, len(regimes), height_ratios=(_POLYHEDRON, _LOSS))
        loss = host.add_subplot(grid[1, :])
        _draw_regimes(loss, selection, regimes)
        spaces = [host.add_subplot(grid[0, k]) for k in range(len(regimes))]
        _draw_polyhedra(spaces, selection, regimes)
        for space, regime in zip(spaces, regimes, strict=True):
            _connect(host, space, loss, regime)
        if ax is None:
            write_notes(
                figure,
                [_CAPTION, *(f"{k + 1}  {describe(regime, selection.labels)}" for k, regime in enumerate(regimes))],
            )
    return figure


def _draw_regimes(ax: Axes, selection: Selection, regimes: Sequence[Regime]) -> None:
    """Draw the loss over the bands of the regimes."""
    last = max(selection.step[-1], 1)
    # Below 0 there are only the rounding errors of the axis.
    ax.set_xscale("function", functions=(lambda x: np.sqrt(np.maximum(x, 0)), np.square))
    ax.set_xlim(selection.step[0], last)
    draw_loss(ax, selection, whole=True)
    for k, regime in enumerate(regimes):
        ax.axvspan(regime.start, regime.end, facecolor=_BANDS[k % 2], linewidth=0, zorder=0)
    ax.set_xlabel("steps, by their square root")
    if legend := ax.get_legend():
        legend.set_loc("upper right")


def _draw_polyhedra(spaces: Sequence[Axes], selection: Selection, regimes: Sequence[Regime]) -> None:
    """Draw what the features form at the end of each regime, all on one scale."""
    rows = np.searchsorted(selection.step, [regime.end for regime in regimes])
    D = selection.dimensionality
    W = np.concatenate([selection.weights_at(slice(row, row + 1)) for row in rows]).astype(float)
    points = np.einsum("am,tmn->tna", projection(W, D), W)
    radius = float(np.linalg.norm(points, axis=-1).max()) or 1.0
    sets = [0] * D.shape[1] if selection.sets is None else selection.sets.tolist()
    colours = feature_colours(selection, D[-1])
    # A plane is looked at straight on.
    view = (0.0, np.pi / 2) if W.shape[1] < 3 else (_AZIMUTH,)
    names = named(range(D.shape[1]), selection.labels)
    for k, (space, regime) in enumerate(zip(spaces, regimes, strict=True)):
        Polyhedron(space, colours, sets, radius, scale=_SMALL, names=names).move(points[k], *view)
        space.set_title(f"{k + 1}  {regime.kind}", loc="center", fontsize=9)


def _connect(host: Figure | SubFigure, space: Axes, loss: Axes, regime: Regime) -> None:
    """Draw a line from a polyhedron to the end of its regime."""
    line = ConnectionPatch(
        (0.5, 0.0), (regime.end, 1.0), "axes fraction", loss.get_xaxis_transform(),
        axesA=space, color="#AAAAAA", linewidth=0.7,
    )  # fmt: skip
    line.set_in_layout(False)
    host.add_artist(line)
    loss.axvline(regime.end, color="#AAAAAA", linewidth=0.7, zorder=0.5)
