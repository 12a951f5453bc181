"""The spectrum figure: which way the loss curves about the run, how many directions lead down, and the loss itself."""

import math
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from ...dynamics.landscape import Curvature
from ...recorders.reading.recording import Recording
from ...recorders.reading.selection import select
from ...recorders.stories.saddles import curvatures
from ..kinds import check_fits
from ..parts.panels import canvas, write_notes
from ..parts.style import INK, escaped, style
from .levels import draw_loss

_SIZE, _HEIGHTS = (8.0, 6.4), (2.4, 0.8, 1.0)
# At how many rows the Hessian is looked at, and how many of its eigenvalues are drawn from either end.
_ROWS, _ENDS = 40, 24
_DOWN, _UP, _TINT = "#D55E00", "#0072B2", "#FBEADF"
_COUNTS = (0, 1, 3, 10, 30, 100, 300)
_CAPTION = (
    "Each line is one curvature of the loss where the training is: an eigenvalue of the Hessian, rotations left out. "
    "The triangles are below 0: a step that way or back lowers the loss. The middle panel counts them. Where some are "
    "left on a plateau, the training waits at a saddle, and the loss drops as it leaves; at a minimum there are none."
)
# Below this fraction of the greatest curvature the logarithmic axis is linear.
_LINEAR = 1e-4


def plot_spectrum(
    recording: Recording, ax: Axes | None = None, *, parameter: str | None = None, instance: int | None = None
) -> Figure:
    """Plot the Hessian's eigenvalues over the steps, how many are negative, and the loss on a shared axis.

    The Hessian is that of the population loss across the rotations of hidden space, at up to forty rows that are evenly
    spread over the root of the step, on which the axis is drawn: early changes are short and late ones slow. Of many
    eigenvalues the lowest and the highest 24 are drawn; a line joins those of the same rank.

    Given *ax*, the panels take its place, without the caption. parameter and instance choose as in plot_levels().
    Raises SettingError where the recording is of no small toy model or lacks the parameter or instance,
    RecordingError where a row is not finite.
    """
    check_fits(recording, "spectrum")
    selection = select(recording, parameter, instance)
    first, last = selection.step[0], max(selection.step[-1], 1)
    wanted = np.linspace(np.sqrt(first), np.sqrt(last), _ROWS) ** 2
    found = curvatures(recording, wanted.tolist(), parameter=parameter, instance=instance)
    with style():
        figure, host = canvas(ax, _SIZE)
        panels = list(host.subplots(3, 1, sharex=True, height_ratios=_HEIGHTS))
        # Below 0 there are only the rounding errors of the axis.
        panels[0].set_xscale("function", functions=(lambda x: np.sqrt(np.maximum(x, 0)), np.square))
        panels[0].set_xlim(first, last)
        panels[0].set_title(escaped(selection.title))
        _draw_eigenvalues(panels[0], found)
        _draw_index(panels[1], found)
        draw_loss(panels[2], selection, whole=True)
        if legend := panels[2].get_legend():
            legend.set_loc("upper right")
        panels[2].set_xlabel("steps, by their square root")
        if ax is None:
            write_notes(figure, [_CAPTION])
    return figure


def _draw_eigenvalues(ax: Axes, found: dict[int, Curvature]) -> None:
    """Draw a line for each rank, and those below zero as marks on a tinted ground."""
    spectra = [each.eigenvalues for each in found.values()]
    ranks = _by_rank(spectra)
    steps = np.array(list(found))
    greatest = float(abs(ranks).max()) or 1.0
    small = _LINEAR * greatest
    ax.set_yscale("symlog", linthresh=small)
    # Room for the words at either end.
    low, high = min(8 * float(ranks.min()), -small), 8 * greatest
    ax.set_ylim(low, high)
    ax.yaxis.set_major_locator(FixedLocator(_decades(low, high, small)))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.axhspan(low, 0, facecolor=_TINT, linewidth=0, zorder=0)
    ax.axhline(0, color="#888888", linewidth=0.8)
    ax.add_collection(LineCollection([np.column_stack([steps, line]) for line in ranks], colors=_UP, linewidths=0.7))
    # As the panel below counts them: rounding about 0 is no curvature.
    rounding = np.array([each.tolerance for each in found.values()])
    for line in ranks:
        is_below = line < -rounding
        ax.plot(steps[is_below], line[is_below], "v", color=_DOWN, markersize=3.5)
    count = max(map(len, spectra))
    which = f"\nlowest and highest {_ENDS} of {count}" if count > len(ranks) else ""
    ax.set_ylabel(rf"curvatures $\lambda_k$ of the loss{which}")
    write = partial(ax.text, 0.99, transform=ax.transAxes, ha="right", fontsize=8)
    write(0.98, r"$\lambda_k > 0$: the loss rises both ways", va="top", color=_UP)
    write(0.02, r"$\lambda_k < 0$: the loss falls both ways", va="bottom", color=_DOWN)


def _decades(low: float, high: float, small: float) -> list[float]:
    """Return 0 and the powers of ten beyond *small*, with one left out beside 0, where labels would touch."""
    exponents = range(math.ceil(math.log10(small)) + 1, math.ceil(math.log10(max(high, -low))) + 1)
    return [-(10.0**each) for each in exponents if 10.0**each < -low] + [0.0] + [10.0**each for each in exponents]


def _by_rank(spectra: list[np.ndarray]) -> np.ndarray:
    """Return the eigenvalues that are drawn, (ranks, rows): all where they are few, or else those of both ends."""
    count = min(map(len, spectra))
    chosen = np.arange(count) if count <= 2 * _ENDS else np.r_[:_ENDS, -_ENDS:0]
    return np.array([spectrum[chosen] for spectrum in spectra]).T


def _draw_index(ax: Axes, found: dict[int, Curvature]) -> None:
    """Draw how many eigenvalues are below zero as steps."""
    counts = [np.nan if each.saddle_index is None else each.saddle_index for each in found.values()]
    ax.step(list(found), counts, where="mid", color=INK, linewidth=1.2)
    ax.fill_between(list(found), counts, step="mid", color=_DOWN, alpha=0.25, linewidth=0)
    # Near the end one direction more or less is what matters.
    ax.set_yscale("symlog", linthresh=1)
    ax.set_ylim(0, max(*counts, 2) * 1.4)
    ax.yaxis.set_major_locator(FixedLocator(_COUNTS))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter("{x:g}")
    ax.set_ylabel("how many\nare below 0")
