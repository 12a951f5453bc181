"""The comparison figure: two runs' losses, and how far apart they are, step by step."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...dynamics.errors import RecordingError, SettingError
from ...dynamics.jumps import Jump
from ...recorders.checkpoints.compare import diff
from ...recorders.checkpoints.jump_matches import JumpMatches
from ...recorders.checkpoints.pairs import Source, common_rows
from ...recorders.checkpoints.parting import Parting
from ...recorders.reading.recording import Recording
from ...recorders.reading.selection import LOSSES
from ..parts.curves import decimate, loss_scale, trend
from ..parts.panels import canvas, write_notes
from ..parts.style import FAINT, INK, PALETTE, escaped, style

_SIZE = (8.0, 4.8)
_BINS = 2000
# A is seen on both sides of B where they are equal.
_COLOURS, _WIDTHS = (PALETTE[5], PALETTE[4]), (2.6, 0.9)
# Jumps of both are grey; those of one alone have its colour.
_BAND = 0.13


def plot_comparison(recording: Recording, ax: Axes | None = None, *, other: Source | None = None) -> Figure:
    """Plot two runs' losses, and below them the distance between their parameters, |theta_A - theta_B|, over the steps.

    A line marks the step at which they part, and a dashed one the rate of exponential growth where there is one. Shaded
    are jumps: grey where both have them, in the colour of a run where it alone has.

    other: the recording to compare with, open or by its path. It reads every row of both. Given *ax*, its place in a
    grid is taken. Raises SettingError without *other*, RecordingError where the two have no parameter in common.
    """
    if other is None:
        raise SettingError(
            "other=None: a comparison needs a second recording; name it (dyn plot A comparison --with B)"
        )
    parting = diff(recording, other, exhaustive=True)
    if not len(parting.steps):
        raise RecordingError(f"{parting.a} and {parting.b} have no step in common, so nothing can be compared")
    with style():
        figure, host = canvas(ax, _SIZE)
        above, below = host.subplots(2, 1, sharex=True, height_ratios=(1.0, 1.15))
        notes = [_draw_losses(above, recording, other), _draw_distance(below, parting)]
        below.set_xlabel("steps")
        if (jumps := parting.jumps) is not None:
            notes.append(_draw_jumps((above, below), jumps))
        above.set_title(escaped(_title(parting)))
        if ax is None:
            write_notes(figure, [" ".join(filter(None, notes))])
    return figure


def _title(parting: Parting) -> str:
    names = f"{Path(parting.a).name} (A) and {Path(parting.b).name} (B)"
    return f"{names} are equal" if parting.is_equal else names


def _draw_losses(ax: Axes, recording: Recording, other: Source) -> str:
    """Draw the loss of either run, and return what to say of it."""
    with common_rows(recording, other) as rows:
        name = next((name for name in LOSSES if name in rows.a.scalars and name in rows.b.scalars), None)
        if name is None:
            ax.text(0.5, 0.5, "no loss in both", transform=ax.transAxes, ha="center", va="center", color="#777777")
            return ""
        drawn = []
        for each, label, colour, width in zip((rows.a, rows.b), "AB", _COLOURS, _WIDTHS, strict=True):
            step, values = each.step[:], each.scalars[name][:]
            x, y = trend(step, values)[:2] if name == "loss" else decimate(step, values, _BINS)
            ax.plot(x, y, color=colour, linewidth=width, label=label)
            drawn.append(y)
    limits, is_log = loss_scale(np.concatenate(drawn))
    if is_log:
        ax.set_yscale("log")
    ax.set_ylim(*limits)
    ax.set_ylabel(name.replace("_", " "))
    ax.legend(loc="upper right", ncols=2)
    return "The loss is a running mean." if name == "loss" else ""


def _draw_distance(ax: Axes, parting: Parting) -> str:
    """Draw how far apart the two are on a logarithmic axis, and return what to say of it."""
    step, distance = parting.steps, parting.distance
    ax.set_xlim(step[0], max(step[-1], step[0] + 1))
    ax.set_ylabel(r"distance $|\theta_A - \theta_B|$")
    shown = np.where(np.isfinite(distance) & (distance > 0), distance, np.nan)
    if np.isnan(shown).all():
        said = "no difference" if parting.step is None else "no finite distance"
        ax.text(0.5, 0.5, said, transform=ax.transAxes, ha="center", va="center", color="#777777")
        ax.set_yticks([])
        return "" if parting.step is None else f"The runs part at step {parting.step}."
    ax.set_yscale("log")
    ax.plot(*decimate(step, shown, _BINS), color=INK, linewidth=1.2)
    return f"{_mark_parting(ax, parting)} {_draw_growth(ax, parting)}"


def _mark_parting(ax: Axes, parting: Parting) -> str:
    assert parting.step is not None
    ax.axvline(parting.step, color="#777777", linewidth=1.0, linestyle=":")
    first = " (the first row)" if parting.is_from_the_start else ""
    return f"The runs part at step {parting.step:,}{first}, dotted."


def _draw_growth(ax: Axes, parting: Parting) -> str:
    """Draw the fitted rate as a line over its stretch, and return what to say of it."""
    growth, step, distance = parting.growth, parting.steps, parting.distance
    if growth.rate is None or growth.error is None:
        return f"{growth.verdict[0].upper()}{growth.verdict[1:]}."
    inside = (step >= growth.start) & (step <= growth.end) & np.isfinite(distance) & (distance > 0)
    x, y = step[inside].astype(float), np.log(distance[inside])
    ends = x[[0, -1]]
    line = np.exp(y.mean() + growth.rate * (ends - x.mean()))
    ax.plot(ends, line, color=PALETTE[1], linewidth=2.0, linestyle="--", zorder=3)
    return f"Dashed: exponential growth at {growth} (± one standard error)."


def _draw_jumps(panels: tuple[Axes, Axes], jumps: JumpMatches) -> str:
    """Shade the jumps of both runs, and of one alone, and return what to say of them."""
    for one, other in jumps.both:
        _shade(panels, [one, other], FAINT, 0.3)
    for alone, colour in zip((jumps.only_a, jumps.only_b), _COLOURS, strict=True):
        for jump in alone:
            _shade(panels, [jump], colour, _BAND)
    if not (jumps.both or jumps.only_a or jumps.only_b):
        return f"Neither has jumps of {jumps.parameter}."
    counts = f"{len(jumps.both)} in both (grey), {len(jumps.only_a)} in A alone, {len(jumps.only_b)} in B alone"
    return f"Shaded: jumps of {jumps.parameter}, {counts} (in its colour)."


def _shade(panels: tuple[Axes, Axes], jumps: list[Jump], colour: str, alpha: float) -> None:
    for ax in panels:
        ax.axvspan(
            min(jump.start for jump in jumps), max(jump.end for jump in jumps),
            facecolor=colour, edgecolor=colour, alpha=alpha, linewidth=0.8, zorder=0.5,
        )  # fmt: skip
