"""The ensemble-dynamics figure: when the models at each point of a sweep jump, where they rest, and what they form."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from ...dynamics.ensembles.gathering import FEWEST_ROWS
from ...dynamics.ensembles.intervals import LEVEL, fewest_for
from ...dynamics.errors import RecordingError
from ...dynamics.levels import LEVELS
from ...recorders.file.hdf5 import is_sweep
from ...recorders.reading.recording import Recording
from ...recorders.reading.selection import select
from ...recorders.sweeps.statistics import PointStatistics, statistics_of
from ...recorders.sweeps.sweep import Sweep
from ..kinds import check_fits
from ..parts.curves import loss_scale
from ..parts.panels import canvas, write_notes, write_title
from ..parts.point_shares import RARE, STROKES, at_levels, draw_shares, formed, name_of, plain_name, scale_by_logarithm
from ..parts.style import MARKERS, PALETTE, style

_WIDTH, _HEIGHTS, _LOW = 8.4, (2.5, 2.3), 3.2
# Of the last row, over several points and of a single one.
_LAST = (2.6, 1.3)
_SIZES = (("n_features", "n"), ("n_hidden", "m"))
# So many points have curves of their own, evenly chosen where there are more, and so many a panel of their levels.
_MOST_CURVES, _MOST_PANELS = 6, 4
# Medians stand beside their panel, so far from it and from each other.
_MARGIN, _APART = 1.03, 0.04
_CAPTIONS = (
    "a, b: the share of the models that have jumped between levels once, and twice; models that have not by the end "
    "may yet do so, and count as such (Kaplan and Meier's estimate). c: each mark is a jump, with what the loss falls "
    "by across it, and beside the panel the median over all jumps. Second row: the share of the features at each level "
    "of dimensionality, the mean over the models. Last row: the share of the features that end in each polytope.",
    "The share of the features at each level of dimensionality, and in each polytope, at the end of training.",
)
_SURE = (
    f" What no point has in more than {100 * RARE:.0f} % is left out. Bands and bars are 95 % confidence intervals "
    "over models{}; where there is one model there is no bar{}."
)
_BY_STEP = ", at each step by itself", f", nor for the median of c below {fewest_for(LEVEL)} that jump"


def plot_ensemble_dynamics(recording: Recording, ax: Axes | None = None, *, parameter: str | None = None) -> Figure:
    """Plot when several models with the same settings jump, their levels over the steps, and the polytopes at the end.

    One colour and stroke for each point of a sweep, such as a density; of more than six points six have curves. With
    trajectories there are the distributions of the steps of the first and of the second jump, the loss drops and the
    occupancy of the levels; without them the levels at the end. Given *ax*, the panels take its place.

    parameter: whose features, by default the first that has any. Raises SettingError where the recording is of another
    kind or lacks the parameter, RecordingError where all models failed.
    Source: Toy Models of Superposition, "Superposition and Learning Dynamics", discrete energy level jumps.
    """
    check_fits(recording, "ensemble-dynamics")
    told = _told(recording, parameter)
    points = [point for point in told if point.dynamics.models]
    if not points:
        raise RecordingError(f"{recording.path} has nothing to draw: all its models failed; dyn info says why")
    moves = len(recording) >= FEWEST_ROWS
    heights = (*_HEIGHTS, _LAST[len(points) == 1])
    with style():
        figure, host = canvas(ax, (_WIDTH, sum(heights) if moves else _LOW))
        write_title(host, _title(recording, points) + _failed(told), _WIDTH)
        if moves:
            parts: Any = host.subfigures(3, 1, height_ratios=heights)
            jumps, levels, shapes = parts
            _draw_jumps(jumps, _some(points, _MOST_CURVES))
            _draw_levels(levels, _some(points, _MOST_PANELS))
            draw_shares(shapes.subplots(), points, formed(points), "ends in polytopes")
        else:
            left, right = host.subplots(1, 2, sharey=len(points) > 1)
            draw_shares(left, points, at_levels(points), "ends at levels")
            draw_shares(right, points, formed(points), "ends in polytopes")
            right.set_ylabel("")
        if ax is None:
            unknown = _unknown_drops(_some(points, _MOST_CURVES)) if moves else ""
            write_notes(figure, [_CAPTIONS[not moves] + unknown + _SURE.format(*_BY_STEP if moves else ("", ""))])
    return figure


def _told(recording: Recording, parameter: str | None) -> tuple[PointStatistics, ...]:
    """Return the statistics of each point; of a sweep its own, which know what only fills up its smaller models."""
    if not is_sweep(recording.path):
        return statistics_of(recording, parameter).points
    with Sweep(recording.path) as sweep:
        return statistics_of(sweep, parameter).points


def _title(recording: Recording, points: Sequence[PointStatistics]) -> str:
    settings = select(recording).experiment or recording.config.get("sweep", {}).get("experiment")
    varied = points[0].settings
    sizes = [f"{symbol} = {settings[size]}" for size, symbol in _SIZES if settings and size not in varied]
    name = f"{settings['name']}: {', '.join(sizes)}" if settings else recording.path.stem
    counts = sorted({point.dynamics.models for point in points})
    models = " to ".join(map(str, counts[:1] + counts[1:][-1:]))
    return f"{name}, {models} models" + (" at each point" if len(points) > 1 else "")


def _failed(points: Sequence[PointStatistics]) -> str:
    failed = sum(point.dynamics.failed for point in points)
    return f"; {failed} more failed" if failed else ""


def _drops(points: Sequence[PointStatistics]) -> np.ndarray:
    """Return what the loss falls by at each jump of all models, NaN where that is not known."""
    return np.concatenate([drop for point in points for drop in point.dynamics.loss_drops] or [np.empty(0)])


def _unknown_drops(points: Sequence[PointStatistics]) -> str:
    drops = _drops(points)
    unknown = np.count_nonzero(np.isnan(drops))
    return f" Of {unknown} of the {len(drops)} jumps no change of the loss is known; c lacks them." if unknown else ""


def _some(points: Sequence[PointStatistics], most: int) -> list[PointStatistics]:
    """Return the points, or so many of them, evenly chosen with the first and the last."""
    return [points[k] for k in sorted({*np.linspace(0, len(points) - 1, min(most, len(points))).round().astype(int)})]


def _draw_jumps(host: SubFigure, points: Sequence[PointStatistics]) -> None:
    """Draw how many models have jumped by a step, once and twice, and what the loss falls by at each jump."""
    first, second, drops = host.subplots(1, 3, width_ratios=(1, 1, 1.1))
    last = max(float(point.dynamics.step[-1]) for point in points)
    for k, point in enumerate(points):
        _draw_times(first, point, 1, k)
        _draw_times(second, point, 2, k)
        _draw_drops(drops, point, k)
    for ax, title in ((first, "a   first jump"), (second, "b   second jump"), (drops, "c   loss drops")):
        ax.set_title(title, fontsize=9)
        ax.set_xlim(0, last)
        ax.set_xlabel("steps")
    for ax in (first, second):
        ax.set_ylim(-0.03, 1.03)
    first.set_ylabel("models that have jumped")
    second.set_yticklabels([])
    drops.set_ylabel("fall of the loss")
    # A jump at which the loss rises has no place on a logarithmic axis, which loss_scale() knows.
    _, is_log = loss_scale(_drops(points))
    if is_log:
        scale_by_logarithm(drops, drops.yaxis)
    if len(points) > 1:
        host.legend(*first.get_legend_handles_labels(), loc="outside lower center", ncols=len(points), fontsize=8)


def _draw_times(ax: Axes, point: PointStatistics, order: int, k: int) -> None:
    time = point.dynamics.jump_time(order)
    # What has happened to all stays so, though nobody is left to be watched.
    x = np.append(time.time, time.end if time.share[-1] else point.dynamics.step[-1])
    jumped, low, high = (np.append(values, values[-1:]) for values in (1 - time.share, 1 - time.high, 1 - time.low))
    colour = PALETTE[k % len(PALETTE)]
    ax.fill_between(x, low, high, step="post", color=colour, alpha=0.15, linewidth=0)
    stroke = STROKES[k % len(STROKES)]
    # One mark at the end, so that the key has the marks of the jumps too.
    ax.plot(
        x, jumped, drawstyle="steps-post", color=colour, linestyle=stroke, linewidth=1.5, label=name_of(point),
        marker=MARKERS[k % len(MARKERS)], markevery=[len(x) - 1], markersize=4, clip_on=False,
    )  # fmt: skip


def _draw_drops(ax: Axes, point: PointStatistics, k: int) -> None:
    """Draw the loss drop of each jump, and the median of all beside the panel."""
    dynamics, colour, marker = point.dynamics, PALETTE[k % len(PALETTE)], MARKERS[k % len(MARKERS)]
    x, y = np.concatenate(dynamics.jump_times), np.concatenate(dynamics.loss_drops)
    ax.plot(x, y, marker, color=colour, markersize=3.5, alpha=0.6, markeredgewidth=0)
    median = dynamics.loss_drop
    if np.isfinite(median.value):
        beside = ax.get_yaxis_transform()
        place = _MARGIN + k * _APART
        ax.plot([place] * 2, [median.low, median.high], color=colour, linewidth=1.2, transform=beside, clip_on=False)
        ax.plot(place, median.value, marker, color=colour, markersize=5, transform=beside, clip_on=False)


def _draw_levels(host: SubFigure, points: Sequence[PointStatistics]) -> None:
    """Draw for each point the share of the features at each level over the steps."""
    panels = host.subplots(1, len(points), sharey=True, squeeze=False)[0]
    means = np.stack([point.dynamics.occupancy.mean for point in points])
    found = {name for point in points for name in point.dynamics.polytopes}
    levels = [k for k in range(len(LEVELS)) if np.nanmax(means[..., k]) > RARE]
    for ax, point in zip(panels, points, strict=True):
        step, occupancy = point.dynamics.step, point.dynamics.occupancy
        for k in levels:
            colour, stroke = PALETTE[k % len(PALETTE)], STROKES[k % len(STROKES)]
            band = occupancy.low[:, k], occupancy.high[:, k]
            ax.fill_between(step, *band, color=colour, alpha=0.2, linewidth=0)
            label = f"{LEVELS[k].label}  {plain_name(LEVELS[k].name_among(found))}".rstrip()
            ax.plot(step, occupancy.mean[:, k], color=colour, linestyle=stroke, linewidth=1.4, label=label)
        ax.set_xlim(step[0], max(step[-1], step[0] + 1))
        ax.set_ylim(-0.03, 1.03)
        ax.set_title(name_of(point), fontsize=9)
        ax.set_xlabel("steps")
    panels[0].set_ylabel("share of the features")
    host.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(levels), fontsize=8)
