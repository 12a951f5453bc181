"""The figure of learning coefficients: the loss, and how many parameters it sees where the training rests."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...recorders.reading.recording import Recording
from ...recorders.reading.selection import select
from ...recorders.stories.coefficients import LlcRow, llc
from ...recorders.stories.plateaus import plateau_steps
from ..kinds import check_fits
from ..parts.panels import canvas, write_notes
from ..parts.style import INK, escaped, style
from .levels import draw_loss

_SIZE, _HEIGHTS = (8.0, 5.6), (1.0, 1.8)
# Beside the plateaus so many rows, evenly spread over the run, are looked at.
_ROWS = 8
_COLOUR, _THEORY, _REFUSED = "#0072B2", "#D55E00", "#999999"
_CAPTION = (
    "Points: the local learning coefficient λ of the critical point near a row, half the number of parameters "
    "that the loss sees there, with its error. Open squares: half the effective dimension of the Hessian. Bars: what "
    "theory has for that point. Grey: there is no such number, for the reason beside it."
)


def plot_llc(recording: Recording, ax: Axes | None = None, *, instance: int | None = None) -> Figure:
    """Plot the loss and, below it, the local learning coefficients of the critical points that a run comes by.

    They are those near the middles of the plateaus and near eight rows over the run. Where theory knows the point, its
    value stands beside; where the verdict refuses, there is a grey mark and the reason.

    Given *ax*, the panels take its place, without the caption. Raises SettingError where the recording is of no small
    toy model or lacks the instance, RecordingError where a row is not finite.
    """
    check_fits(recording, "llc")
    selection = select(recording, None, instance)
    rows = llc(recording, _steps(recording, instance), instance=instance)
    with style():
        figure, host = canvas(ax, _SIZE)
        above, below = host.subplots(2, 1, sharex=True, height_ratios=_HEIGHTS)
        draw_loss(above, selection, whole=True)
        above.set_title(escaped(selection.title))
        below.set_xlim(selection.step[0], max(selection.step[-1], 1))
        _draw_rows(below, rows)
        below.set_xlabel("steps")
        if ax is None:
            write_notes(figure, [_CAPTION])
    return figure


def _steps(recording: Recording, instance: int | None) -> list[int]:
    """Return the middles of the plateaus, and some rows over the run."""
    from ...dynamics.errors import RecordingError

    spread = np.linspace(0, int(recording.step[-1]), _ROWS).astype(int).tolist()
    try:
        resting = plateau_steps(recording, None, instance)
    except RecordingError:
        resting = []
    return sorted({*spread, *resting})


def _draw_rows(ax: Axes, rows: Sequence[LlcRow]) -> None:
    """Draw the coefficients, what theory has, and the reasons where there is none."""
    known = [row for row in rows if row.llc is not None and row.error is not None]
    highest = max([*(row.llc or 0 for row in rows), *((row.effective_dimension or 0) / 2 for row in rows), 1.0])
    ax.set_ylim(0, 1.25 * highest)
    width = 0.02 * (ax.get_xlim()[1] - ax.get_xlim()[0])
    for row in rows:
        if row.effective_dimension is not None:
            ax.plot(row.step, row.effective_dimension / 2, "s", mfc="none", mec=_REFUSED, markersize=5)
    named = None
    for row in known:
        if row.theory is not None:
            ax.hlines(row.theory, row.step - width, row.step + width, color=_THEORY, linewidth=2, zorder=1)
        ax.errorbar(row.step, row.llc or 0, yerr=row.error, fmt="o", color=_COLOUR, markersize=4, capsize=3)
        # A point that the run stays at is named once.
        if row.known and row.known != named:
            named = row.known
            _write(ax, row, row.llc or 0, f"{row.known} {row.llc:.2f}", INK)
    for row in rows:
        if row.llc is None:
            ax.axvline(row.step, color=_REFUSED, linewidth=0.6, linestyle=":", zorder=0)
            ax.plot(row.step, 0.02 * highest, "x", color=_REFUSED, markersize=5, clip_on=False)
            reason = row.verdict.partition(":")[0]
            ax.text(
                row.step, 0.07 * highest, f" {escaped(reason)}", color=_REFUSED, fontsize=7, rotation=90, va="bottom",
                ha="left" if row is rows[0] else "right",
            )  # fmt: skip
    ax.set_ylabel(r"learning coefficient $\lambda$")


def _write(ax: Axes, row: LlcRow, height: float, words: str, colour: str) -> None:
    """Write beside a point, on the side on which there is room."""
    low, high = ax.get_xlim()
    is_right = row.step > low + 0.8 * (high - low)
    ax.annotate(
        escaped(words), (row.step, height), xytext=(0, 7), textcoords="offset points", fontsize=8, color=colour,
        ha="right" if is_right else "center",
    )  # fmt: skip
