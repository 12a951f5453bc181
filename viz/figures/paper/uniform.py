"""The uniform figure: how many dimensions equal features have each, and what they form, as they get sparser."""

from collections.abc import Sequence
from string import ascii_lowercase

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from ....dynamics.geometry.measures import dimensionality
from ....recorders.reading.recording import Recording
from ....recorders.reading.selection import select
from ...kinds import check_fits
from ...parts.feature_graphs import draw_feature_graph, names_in
from ...parts.members import DrawnMember, members
from ...parts.panels import write_notes
from ...parts.style import INK, PALETTE, escaped, style
from ..levels import draw_level_lines

_SIZE, _HEIGHTS = (8.4, 7.0), (2.2, 1.0)
# Features of one density are spread by this factor, so that they do not hide each other.
_JITTER = 0.02
_GRAPHS = 6
_CAPTION = (
    "Above, each dot is a feature and each point of the curve a model, from dense data at the left to sparse at the "
    "right. The curve is flat where features share dimensions in a regular way. Below, features of some of the models, "
    "joined where they are not orthogonal: an antipodal pair (digon) is a line, and so on; grey is any other group."
)


def plot_uniform(recording: Recording, ax: Axes | None = None, *, parameter: str | None = None) -> Figure:
    """Plot dimensions per feature, D* = m / |W|_F², every feature's own D_i, and feature graphs, over 1 / (1 - S).

    One point of the curve for each density, at the end of training, with the dimensionality of each feature as a dot
    and the energy levels as lines, with the names of the polytopes that any model forms. Below are the feature graphs
    of up to six of the models, chosen evenly among those that form any polytope. Of repeats the one with the least
    loss is shown. Given *ax*, the upper panel alone is drawn there.

    parameter: whose features, by default the first that has any. Raises SettingError where the recording is of another
    kind or lacks the parameter.
    Source: Toy Models of Superposition, "The Geometry of Superposition", uniform superposition.
    """
    check_fits(recording, "uniform")
    shown = sorted(members(recording, parameter), key=lambda member: -(member.density or 0))
    overall = np.array([len(member.W) / np.square(member.W).sum() for member in shown])
    names = [names_in(member.W) for member in shown]
    chosen = _with_polytopes(names) if ax is None else []
    with style():
        figure, curve, graphs = _panels(ax, len(chosen))
        _draw_curve(curve, shown, overall, set().union(*names))
        n, m = shown[0].W.shape[::-1]
        name = select(recording).experiment["name"]
        curve.set_title(escaped(f"{name}: n = {n} features in m = {m} dimensions"))
        for letter, graph, k in zip(ascii_lowercase, graphs, chosen, strict=False):
            draw_feature_graph(graph, shown[k].W)
            graph.set_title(f"{letter}   sparsity {_sparsity(shown[k]):.3g}", loc="center", fontsize=8)
            _write_letter(curve, letter, (_sparsity(shown[k]), overall[k]))
        if ax is None:
            write_notes(figure, [_CAPTION])
    return figure


def _panels(ax: Axes | None, columns: int) -> tuple[Figure, Axes, list[Axes]]:
    """Return the figure, the axes of the curve, and those of the graphs, for which an *ax* leaves no room."""
    if ax is not None:
        figure = ax.get_figure(root=True)
        assert figure is not None
        return figure, ax, []
    figure = plt.figure(figsize=_SIZE, layout="constrained")
    grid = figure.add_gridspec(2, columns, height_ratios=_HEIGHTS)
    return figure, figure.add_subplot(grid[0, :]), [figure.add_subplot(grid[1, k]) for k in range(columns)]


def _sparsity(member: DrawnMember) -> float:
    return 1 / (member.density or np.nan)


def _with_polytopes(names: Sequence[set[str]]) -> list[int]:
    """Return some of the models that form polytopes with names, evenly spread; of all of them where none does."""
    named = [k for k, found in enumerate(names) if found] or range(len(names))
    return sorted({named[k] for k in np.linspace(0, len(named) - 1, _GRAPHS).round().astype(int)})


def _draw_curve(ax: Axes, shown: Sequence[DrawnMember], overall: np.ndarray, found: set[str]) -> None:
    """Draw D* as a curve and every D_i as a dot, with the level lines, named where a model forms the polytope."""
    rng = np.random.default_rng(0)
    for member in shown:
        D = dimensionality(member.W)
        spread = _sparsity(member) * (1 + _JITTER) ** rng.uniform(-1, 1, len(D))
        ax.scatter(spread, D, s=7, color=PALETTE[0], alpha=0.35, linewidths=0, rasterized=True)
    sparsity = [_sparsity(member) for member in shown]
    ax.plot(sparsity, overall, "o-", color=INK, markersize=4, linewidth=1.4, label="all features: $D^* = m / |W|_F^2$")
    ax.scatter([], [], s=12, color=PALETTE[0], alpha=0.6, linewidths=0, label="each feature: $D_i$")
    ax.set_ylim(-0.03, max(1.06, float(np.nanmax(overall)) * 1.05))
    ax.set_ylabel("dimensions per feature")
    scale_sparsity(ax)
    draw_level_lines(ax, found)
    ax.legend(loc="upper right", fontsize=8)


def _write_letter(ax: Axes, letter: str, place: tuple[float, float]) -> None:
    ax.annotate(letter, place, xytext=(5, 4), textcoords="offset points", fontsize=9, weight="bold", color=INK)


def scale_sparsity(ax: Axes) -> None:
    """Make the horizontal axis one of sparsities, from dense at the left to sparse at the right."""
    ax.set_xscale("log")
    ax.set_xlabel("sparsity $1 / (1 - S)$")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
