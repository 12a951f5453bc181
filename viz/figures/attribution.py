"""The attribution figure: the loss with its jumps, and for each of them whose motion brought the change."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from ...dynamics.feature_names import named
from ...recorders.reading.recording import Recording
from ...recorders.reading.selection import Selection, select
from ...recorders.stories.attribution import AttributionRow
from ...recorders.stories.payers import attribute_jumps
from ..kinds import check_fits
from ..parts.panels import canvas, write_notes
from ..parts.style import FAINT, INK, escaped, feature_colours, style
from .levels import draw_loss

# So many jumps have a panel, those with the largest changes, side by side in a row; and so many features a bar.
_MOST, _IN_A_ROW, _BARS = 6, 3, 6
_WIDTH, _LOSS, _PANEL = 8.4, 1.9, 2.1
_GREY, _PALE = "#8C8C8C", "#D0D0D0"
_CAPTION = (
    "Each bar is what the motion of one feature's numbers brought of the change of the loss between the steps above "
    "it, the integral of gradient times motion along the recorded rows; bars to the left lowered the loss. In grey, "
    "all other features together, and the parameters that have no features. The bars of a panel add up to its change."
)
_FIRST_ORDER = (
    "Each bar is what the motion of one feature's numbers brought of the change of the loss between the steps above "
    "it, to first order: the gradient that each step used times its motion. Bars to the left lowered the loss. In "
    "grey, all other features together, and all other parameters."
)


def plot_attribution(
    recording: Recording, ax: Axes | None = None, *, parameter: str | None = None, instance: int | None = None
) -> Figure:
    """Plot the loss with the jumps of a run as bands, and for each one whose motion brought the change, as bars.

    Of many jumps those with the six largest changes of the loss are drawn, in order; without any, the whole run. Given
    *ax*, the panels take its place, without the caption. parameter and instance choose as in plot_levels().
    Raises SettingError where the recording is of another kind or lacks the parameter or instance, and as attribute().
    """
    check_fits(recording, "attribution")
    selection = select(recording, parameter, instance)
    rows = _largest(attribute_jumps(recording, parameter, instance))
    columns = min(_IN_A_ROW, len(rows))
    lines = math.ceil(len(rows) / columns)
    with style():
        figure, host = canvas(ax, (_WIDTH, _LOSS + lines * _PANEL))
        host.suptitle(escaped(selection.title), x=0.01, ha="left", fontsize=11)
        grid = host.add_gridspec(1 + lines, columns, height_ratios=(_LOSS, *[_PANEL] * lines))
        _draw_run(host.add_subplot(grid[0, :]), selection, rows)
        for k, row in enumerate(rows):
            panel = host.add_subplot(grid[1 + k // columns, k % columns])
            _draw_shares(panel, selection, row, number=k + 1)
        if ax is None:
            write_notes(figure, [_CAPTION if rows[0].order == "integral" else _FIRST_ORDER])
    return figure


def _largest(rows: list[AttributionRow]) -> list[AttributionRow]:
    """Return the rows with the largest changes, in the order in which they come."""
    ranked = sorted(rows, key=lambda row: -abs(row.allocation.total))[:_MOST]
    return [row for row in rows if row in ranked]


def _draw_run(ax: Axes, selection: Selection, rows: list[AttributionRow]) -> None:
    ax.set_xlim(selection.step[0], max(selection.step[-1], 1))
    draw_loss(ax, selection, whole=True)
    for k, row in enumerate(rows):
        ax.axvspan(row.start, row.end, facecolor="#EAEAEA", edgecolor="#AAAAAA", linewidth=0.6, zorder=0)
        middle = (row.start + row.end) / 2
        ax.annotate(
            str(k + 1), (middle, 1), (0, 2), xycoords=ax.get_xaxis_transform(), textcoords="offset points",
            ha="center", va="bottom", fontsize=8, color=INK, annotation_clip=False,
        )  # fmt: skip
    ax.set_xlabel("steps")
    if legend := ax.get_legend():
        legend.set_loc("upper right")


def _draw_shares(ax: Axes, selection: Selection, row: AttributionRow, number: int) -> None:
    """Draw the features with the largest shares, the others together, and the other parameters, from the top down."""
    bars = _bars(selection, row)
    names, shares, colours = zip(*bars, strict=True)
    places = np.arange(len(bars))
    ax.barh(places, shares, color=colours, height=0.72)
    ax.axvline(0, color=INK, linewidth=0.8)
    ax.set_yticks(places, [escaped(name) for name in names])
    ax.invert_yaxis()
    ax.tick_params(axis="y", length=0)
    ax.spines[["left", "right", "top"]].set_visible(False)
    largest = max(map(abs, shares)) or 1.0
    # Room for the numbers beside the bars.
    low, high = min(0.0, *shares), max(0.0, *shares)
    ax.set_xlim(low - 0.42 * largest, high + 0.42 * largest)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.2g}".replace("-", "−")))
    ax.locator_params(axis="x", nbins=3)
    for place, share in zip(places, shares, strict=True):
        words = f"{100 * share / row.allocation.total:.0f} %".replace("-", "−") if row.allocation.total else ""
        ax.annotate(
            words, (share, place), (-3 if share < 0 else 3, 0), textcoords="offset points", fontsize=7.5, color=INK,
            ha="right" if share < 0 else "left", va="center",
        )  # fmt: skip
    change = f"{row.allocation.total:+.3g}".replace("-", "−")
    ax.set_title(f"{number}  steps {row.start:,}-{row.end:,}: {change}", loc="left", fontsize=9)


def _bars(selection: Selection, row: AttributionRow) -> list[tuple[str, float, str]]:
    """Return name, share and colour of each bar; all of them together are the change."""
    by_feature, colours = row.allocation.by_feature, feature_colours(selection, selection.dimensionality[-1])
    ranked = sorted(by_feature, key=lambda feature: -abs(by_feature[feature]))
    shown = sorted(ranked[:_BARS], key=lambda feature: by_feature[feature])
    rest = ranked[_BARS:]
    names = named(shown, selection.labels)
    bars = [(name, by_feature[k], _coloured(colours[k])) for name, k in zip(names, shown, strict=True)]
    if rest:
        bars.append((f"{len(rest)} others", sum(by_feature[k] for k in rest), _PALE))
    others = row.allocation.total - sum(by_feature.values())
    if row.others or others:
        name = row.others[0] if len(row.others) == 1 and row.order == "integral" else "all else"
        bars.append((name, others, _GREY))
    return bars


def _coloured(colour: str) -> str:
    """Return a feature's colour; those that are drawn faint elsewhere are to be seen here."""
    return INK if colour == FAINT else colour
