"""The ensemble figure: when each of many equal runs jumps, at which levels their features are, and how they end."""

from collections.abc import Sequence
from itertools import groupby

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ...dynamics.ensembles.one_ensemble import EnsembleSummary
from ...dynamics.levels import LEVELS
from ...dynamics.polytopes.wholes import MISSING, in_words
from ...recorders.reading.recording import Recording
from ...recorders.reading.selection import select
from ...recorders.stories.ensemble_story import tell_ensemble
from ..kinds import check_fits
from ..parts.panels import canvas, write_notes, write_title
from ..parts.style import INK, PALETTE, spread, style

_SIZE, _HEIGHTS = (8.4, 6.4), (0.7, 2.0, 1.6)
_BINS, _ROWS = 60, 2000
# The shares of a level that no more than this part of the features ever reaches are not drawn.
_RARE = 0.1
_LABEL_GAP = 0.075
_MOST_NAMED = 10
_STROKES = ("-", "--", "-.", ":")
_CAPTION = (
    "Runs that differ in their random draws only. Top: how many of all their jumps lie at a time. Middle: each line is "
    "a run and each mark a jump; runs that end alike stand together. Bottom: the share of the features at each level "
    "of dimensionality, the mean over the runs, with a band of one standard deviation."
)


def plot_ensemble(recording: Recording, ax: Axes | None = None, *, parameter: str | None = None) -> Figure:
    """Plot the jumps of each run of an ensemble, the occupancy of the levels over the runs, and how the runs end.

    Of more than 50 runs the first 50 are looked at. Given *ax*, the panels take its place.

    parameter: whose features, by default the first that has any. Raises SettingError where the recording is of another
    kind or lacks the parameter.
    Source: Toy Models of Superposition, "Superposition and Learning Dynamics", discrete energy level jumps.
    """
    check_fits(recording, "ensemble")
    story = tell_ensemble(recording, parameter)
    summary, step = story.summary, story.summary.step
    with style():
        figure, host = canvas(ax, _SIZE)
        settings = select(recording, parameter).experiment
        name = f"{settings['name']}: n = {settings['n_features']}, m = {settings['n_hidden']}" if settings else ""
        runs = f"{story.looked_at} of {story.members}" if story.looked_at < story.members else story.members
        write_title(host, f"{name or recording.path.stem}, {runs} runs", _SIZE[0])
        counts, raster, shares = host.subplots(3, 1, sharex=True, height_ratios=_HEIGHTS)
        counts.set_xlim(step[0], max(step[-1], step[0] + 1))
        counts.hist(np.concatenate(summary.jump_times), bins=_BINS, range=counts.get_xlim(), color="#8A8A8A")
        counts.set_ylabel("jumps")
        counts.yaxis.set_major_locator(MaxNLocator(3, integer=True))
        _draw_raster(raster, summary)
        _draw_shares(shares, summary)
        shares.set_xlabel("steps")
        if ax is None:
            write_notes(figure, [_CAPTION])
    return figure


def _draw_raster(ax: Axes, summary: EnsembleSummary) -> None:
    """Draw a line of marks for each run, those with the same ends together, and name the ends at the margin."""
    ends = [_name_end(sorted(found.items())) for found in summary.polytopes]
    order = sorted(range(len(ends)), key=lambda k: (-ends.count(ends[k]), ends[k], k))
    for line, k in enumerate(order):
        spans = [[(jump.start, line), (jump.end, line)] for jump in summary.jumps[k]]
        ax.add_collection(LineCollection(spans, colors=PALETTE[0], linewidths=2.5, alpha=0.45))
        ax.plot(summary.jump_times[k], np.full(len(summary.jump_times[k]), line), "|", color=INK, markersize=5)
    ax.set_ylim(len(ends) - 0.5, -0.5)
    ax.set_ylabel("run")
    ax.set_yticks([])
    _name_ends(ax, [ends[k] for k in order])


def _name_ends(ax: Axes, ends: Sequence[str]) -> None:
    """Write how the runs end, one name for all neighbours with the same end."""
    groups = [(name, len(list(group))) for name, group in groupby(ends)]
    last = np.cumsum([count for _, count in groups])
    middles = [end - (count + 1) / 2 for (_, count), end in zip(groups, last, strict=True)]
    named = groups[:_MOST_NAMED]
    places = spread(middles[:_MOST_NAMED], len(ends) * _LABEL_GAP * (2 if len(named) < 6 else 1))
    for (name, count), place in zip(named, places, strict=True):
        _write_at_margin(ax, f"{count} {'runs' if count > 1 else 'run'}: {name}", place)
    for end in last[:-1]:
        ax.axhline(end - 0.5, color="#CCCCCC", linewidth=0.7)


def _name_end(found: Sequence[tuple[str, int]]) -> str:
    """Return the polytopes of one run in words, a line for what is not represented."""
    formed = in_words({name: count for name, count in found if name != MISSING})
    missing = dict(found).get(MISSING, 0)
    return "\n".join([formed] * bool(formed) + [f"{missing} not represented"] * bool(missing))


def _draw_shares(ax: Axes, summary: EnsembleSummary) -> None:
    """Draw the share of the features at each level that is ever occupied, with its spread over the runs."""
    rows = np.unique(np.linspace(0, len(summary.step) - 1, _ROWS).astype(int))
    step, mean, deviation = (values[rows] for values in (summary.step, summary.occupancy, summary.spread))
    found = {name for names in summary.polytopes for name in names}
    occupied = [k for k in range(len(LEVELS)) if mean[:, k].max() > _RARE]
    for number, k in enumerate(occupied):
        colour, stroke = PALETTE[k % len(PALETTE)], _STROKES[number % len(_STROKES)]
        band = mean[:, k] - deviation[:, k], mean[:, k] + deviation[:, k]
        ax.fill_between(step, *band, alpha=0.15, linewidth=0, color=colour)
        ax.plot(step, mean[:, k], linewidth=1.4, color=colour, linestyle=stroke)
    ax.set_ylim(-0.06, 1.02)
    ax.set_ylabel("share of features")
    for k, place in zip(occupied, spread([float(mean[-1, k]) for k in occupied], _LABEL_GAP), strict=True):
        _write_at_margin(
            ax, f"{LEVELS[k].label}  {LEVELS[k].name_among(found)}".rstrip(), place, PALETTE[k % len(PALETTE)]
        )


def _write_at_margin(ax: Axes, text: str, place: float, colour: str = "#444444") -> None:
    ax.annotate(
        text, (1.0, place), xycoords=("axes fraction", "data"), xytext=(5, 0), textcoords="offset points",
        va="center", fontsize=8, color=colour, annotation_clip=False,
    )  # fmt: skip
