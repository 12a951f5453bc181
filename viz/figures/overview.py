"""The overview figure: every matrix of a network over time, under the losses and metrics."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize, TwoSlopeNorm
from matplotlib.figure import Figure, SubFigure

from ...recorders.reading.matching import matching
from ...recorders.reading.matrices import matrices_of, summarised_matrices
from ...recorders.reading.recording import Recording
from ...recorders.ring.matrices import MatrixView
from ..parts.network_history import NetworkHistory, at_random, history_of, measured
from ..parts.panels import canvas, write_notes, write_title
from ..parts.signals import Sorted, draw_quantiles, draw_signals, draw_spread, note_of, sort_signals
from ..parts.style import INK, PALETTE, escaped, style

_WIDTH = 8.0
# Heights in inches: of a panel of signals, of the row of D, of a row of a heat map and at most of all its rows.
_SIGNAL, _D_PANEL, _ROW, _MOST_ROWS, _MAP_EXTRA = 1.25, 1.6, 0.17, 2.4, 0.22
# Of so many matrices, those that went farthest, D is drawn, at so many moments.
_MOST_D, _D_MOMENTS, _RANDOM_MOMENTS = 4, 100, 20
# A heat map names so many matrices at most, each with so many letters.
_MOST_NAMED, _NAME_LETTERS = 30, 26
# D is 1 at most.
_TOP = 1.02
# So much higher than the highest curve is the axis of D.
_LEGEND_ROOM = 1.25
# Ratios of norms from this share to its inverse have the whole of the colours.
_LEAST_RANGE = 1.25


def plot_overview(
    recording: Recording,
    ax: Axes | None = None,
    *,
    parameter: str | None = None,
    signal: str | None = None,
) -> Figure:
    """Plot every matrix of a network over time, a line each, under the losses and whatever else was logged.

    Heat maps show the norm beside that of the first row, the effective rank as a share of the rank that the matrix
    could have (Roy and Vetterli 2007), and the size of an update, |W_{t+1} - W_t| / |W_t| for one step. Below is the
    dimensionality D of the features of those four matrices whose norms changed most, with what directions at random of
    the same lengths would have. They are measured at up to eighty moments, not in every row.

    Of a recording of summaries all of that is what they say, and the spread of D stands alone.

    parameter: of which matrices, a name or a glob; by default all. signal: which scalars and probes, a name or a glob;
    by default all that have room. Given *ax*, its place is used. A recording without matrices has the signals alone.
    Raises SettingError for a parameter or signal that is not there.
    """
    matrices = {**matrices_of(recording), **summarised_matrices(recording)}
    names = [*matrices] if parameter is None else matching("matrix", parameter, matrices)
    sorted_ = sort_signals(recording, signal)
    history = history_of(recording, tuple(names)) if names else None
    with_D = [] if history is None else _farthest(recording, history)
    with style():
        heights = _heights(sorted_, len(names), has_D=bool(with_D))
        figure, host = canvas(ax, (_WIDTH, sum(heights) + 0.5))
        panels = _panels(host, heights, len(with_D))
        shared = panels[: len(panels) - len(with_D)]
        for panel, signals in zip(shared, sorted_.panels, strict=False):
            draw_signals(panel, recording, signals)
        if history is not None:
            _draw_maps(host, shared[len(sorted_.panels) :], history)
            _draw_D(panels[len(shared) :], recording, with_D)
        _share_steps(shared, recording)
        write_title(host, _title(recording, names), _WIDTH)
        if ax is None:
            write_notes(
                figure, [" ".join([*_caption(history, with_D, in_short=bool(recording.summaries)), *note_of(sorted_)])]
            )
    return figure


def _heights(sorted_: Sorted, matrices: int, *, has_D: bool) -> list[float]:
    maps = [min(_ROW * matrices, _MOST_ROWS) + _MAP_EXTRA] * (3 if matrices else 0)
    return [_SIGNAL for _ in sorted_.panels] + maps + [_D_PANEL] * has_D


def _panels(host: Figure | SubFigure, heights: Sequence[float], side_by_side: int) -> list[Axes]:
    """Return the panels one above the other, the last of which are side by side."""
    grid = host.add_gridspec(len(heights), 1, height_ratios=heights)
    panels = [host.add_subplot(grid[k, 0]) for k in range(len(heights) - bool(side_by_side))]
    if side_by_side:
        row = grid[-1, 0].subgridspec(1, side_by_side)
        panels += [host.add_subplot(row[0, k]) for k in range(side_by_side)]
    return panels


def _share_steps(panels: Sequence[Axes], recording: Recording) -> None:
    first, last = int(recording.step[0]), int(recording.step[-1])
    for panel in panels:
        panel.set_xlim(first, max(last, first + 1))
        panel.tick_params(labelbottom=panel is panels[-1])
    panels[-1].set_xlabel("steps")


def _draw_maps(host: Figure | SubFigure, panels: Sequence[Axes], history: NetworkHistory) -> None:
    """Draw norm, effective rank and update size of every matrix, each with its scale at the right."""
    spread = max(_LEAST_RANGE, *(np.nanmax(each, initial=1) for each in (history.norm, 1 / history.norm)))
    powers = np.log2(history.norm)
    maps = (
        ("norm / first norm", history.step, powers, "PuOr_r", TwoSlopeNorm(0, -np.log2(spread), np.log2(spread))),
        ("effective rank / full rank", history.rank_step, history.rank, "viridis", _rank_scale(history.rank)),
        ("update of one step, |ΔW| / |W|", history.step, history.update, "cividis", _update_scale(history.update)),
    )
    for ax, (title, step, values, colours, scale) in zip(panels, maps, strict=True):
        ax.set_title(title, fontsize=9, pad=2)
        mesh = ax.pcolormesh(
            _edges(step), np.arange(len(values) + 1), values, cmap=colours, norm=scale, rasterized=True
        )
        ax.invert_yaxis()
        _name_rows(ax, history.names)
        bar = host.colorbar(mesh, ax=ax, pad=0.01, aspect=12, fraction=0.05)
        bar.ax.tick_params(labelsize=7)
        if title.startswith("norm"):
            bar.set_ticks([-np.log2(spread), 0, np.log2(spread)])
            bar.set_ticklabels([f"{1 / spread:.2g}", "1", f"{spread:.2g}"])


def _rank_scale(rank: np.ndarray) -> Normalize:
    """Return a scale from the least share, a tenth or more below it, to full rank."""
    least = np.nanmin(rank, initial=1)
    return Normalize(max(0.0, np.floor(10 * least - 0.5) / 10), 1)


def _update_scale(update: np.ndarray) -> Normalize:
    """Return a logarithmic scale of four decades at most; updates of nothing have no colour."""
    known = update[np.isfinite(update) & (update > 0)]
    if not known.size or known.min() == known.max():
        return Normalize(0, float(known.max()) if known.size else 1.0)
    return LogNorm(max(known.min(), known.max() / 1e4), known.max())


def _edges(step: np.ndarray) -> np.ndarray:
    """Return the edges of columns whose middles are the steps (t,); (t + 1,)."""
    if len(step) == 1:
        return np.array([step[0] - 0.5, step[0] + 0.5])
    middles = (step[1:] + step[:-1]) / 2
    return np.concatenate([[step[0] - (middles[0] - step[0])], middles, [2 * step[-1] - middles[-1]]])


def _name_rows(ax: Axes, names: Sequence[str]) -> None:
    every = -(-len(names) // _MOST_NAMED)
    places = np.arange(0, len(names), every)
    ax.set_yticks(places + 0.5, [escaped(_shortened(names[k])) for k in places.tolist()], fontsize=7)
    ax.tick_params(axis="y", length=0)


def _shortened(name: str) -> str:
    """Return a name with its middle left out where it is long: what tells layers apart is at both ends."""
    half = _NAME_LETTERS // 2
    return name if len(name) <= _NAME_LETTERS else f"{name[: half - 1]}…{name[-half:]}"


def _farthest(recording: Recording, history: NetworkHistory) -> list[tuple[str, tuple[int, int]]]:
    """Return the matrices with features whose norm changed most, in their order, and their shapes."""
    known = {**recording.features, **recording.summaries}
    able = [k for k, name in enumerate(history.names) if "dimensionality" in known.get(name, {})]
    change = np.nan_to_num(np.abs(np.log(history.norm)), posinf=0).max(axis=1)
    chosen = sorted(sorted(able, key=lambda k: -change[k])[:_MOST_D])
    return [(history.names[k], history.shapes[k]) for k in chosen]


def _draw_D(panels: Sequence[Axes], recording: Recording, chosen: Sequence[tuple[str, tuple[int, int]]]) -> None:
    """Draw the spread of D of some matrices, and the median that directions at random of the same lengths have."""
    rows = np.unique(np.linspace(0, len(recording) - 1, _D_MOMENTS).astype(int))
    step = recording.step[:][rows]
    for ax, (name, _) in zip(panels, chosen, strict=True):
        _title_D(ax, name, step)
        if name in recording.summaries:
            draw_quantiles(ax, step, measured(recording.summaries[name]["dimensionality"][:])[rows], "median")
            continue
        features, series = recording.features[name], recording.parameters[name]
        D = np.asarray(features["dimensionality"][rows], dtype=float)
        draw_spread(ax, step, D.reshape(len(D), -1), PALETTE[0], "median")
        *heads, m, n = MatrixView.of(series.attrs).shape(series.shape[1:])
        at = np.unique(np.linspace(0, len(rows) - 1, _RANDOM_MOMENTS).astype(int))
        norm = (
            np.asarray(features["norm"][rows[at]], dtype=float) if "norm" in features else np.ones((len(at), *heads, n))
        )
        # What a pattern makes several matrices of is at random in each of them.
        each = norm.reshape(len(at), -1, n).swapaxes(0, 1)
        _draw_at_random(ax, step[at], np.concatenate([at_random(lengths, m) for lengths in each], axis=1))
    _share_D(panels)


def _title_D(ax: Axes, name: str, step: np.ndarray) -> None:
    ax.set_title(escaped(_shortened(name)), fontsize=8.5, pad=2)
    ax.set_xlim(step[0], max(step[-1], step[0] + 1))
    ax.tick_params(labelsize=7.5)
    ax.locator_params(axis="x", nbins=3)


def _draw_at_random(ax: Axes, step: np.ndarray, D: np.ndarray) -> None:
    """Draw the median, and where four fifths are, of directions at random (t, n); none where lengths are not known."""
    known = np.isfinite(D).all(axis=1)
    if known.any():
        low, middle, high = np.percentile(D[known], (10, 50, 90), axis=1)
        ax.plot(step[known], middle, "--", color=INK, linewidth=1, label="at random")
        ax.plot(step[known], np.column_stack([low, high]), ":", color=INK, linewidth=0.8)


def _share_D(panels: Sequence[Axes]) -> None:
    """Give panels of D one axis, from 0 to what is highest in any."""
    top = max((ax.get_ylim()[1] for ax in panels), default=1.0)
    for k, ax in enumerate(panels):
        # With room above for what the lines are.
        ax.set_ylim(0, _LEGEND_ROOM * min(top, _TOP))
        ax.tick_params(labelleft=k == 0)
    if panels:
        panels[0].set_ylabel("D of features")
        panels[-1].legend(fontsize=7, loc="upper right", ncols=2, columnspacing=1, handlelength=1.4, borderaxespad=0)


def _title(recording: Recording, names: Sequence[str]) -> str:
    what = f"{len(names)} matrices" if len(names) > 1 else names[0] if names else "what was logged"
    return f"{recording.path.stem}: {what}, steps {recording.step[0]:,} to {recording.step[-1]:,}"


def _caption(history: NetworkHistory | None, with_D: Sequence[object], *, in_short: bool) -> list[str]:
    if history is None:
        return []
    said = [*_told(history), f"Measured at {len(history.step)} moments, ranks at {len(history.rank_step)}."]
    if with_D:
        said.append(
            "D: the share of a dimension that a feature has to itself: median, half and four fifths of the features"
        )
        said[-1] += (
            "."
            if in_short
            else "; dashed and dotted, median and four fifths of directions at random with the same lengths. Below "
            "these, features share dimensions more than random ones do; above, less."
        )
    return said


def _told(history: NetworkHistory) -> list[str]:
    """Return what is most to be seen in the maps: which norm changed most, and which rank; or that nothing did."""
    said = []
    if not np.nanmax(history.update, initial=0):
        return ["No matrix changes."]
    change = np.abs(np.log(np.where(history.norm[:, -1] > 0, history.norm[:, -1], np.nan)))
    if np.isfinite(change).any():
        k = int(np.nanargmax(change))
        said.append(f"Norms: {history.names[k]} changes most, to {history.norm[k, -1]:.2g} times the first.")
    fall = history.rank[:, 0] - history.rank[:, -1]
    if np.isfinite(fall).any():
        k = int(np.nanargmax(np.abs(fall)))
        full = min(history.shapes[k])
        first, last = history.rank[k, [0, -1]] * full
        said.append(f"Ranks: {history.names[k]} changes most, {first:.1f} to {last:.1f} of {full}.")
    return said
