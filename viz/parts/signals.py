"""What was logged beside a training, in panels: losses together, shares together, everything else by itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from ...dynamics.errors import SettingError
from ...recorders.reading.matching import matching
from ...recorders.reading.recording import Recording
from ...recorders.reading.series import Series
from ...recorders.stories.signals import kept_in_short
from .curves import decimate, loss_scale, trend
from .style import INK, PALETTE, escaped, palette

# Of the signals that nobody asked for by name so many panels are drawn.
_MOST_PANELS = 4
# Of a probe with more numbers than that the middle and the spread are drawn.
_MOST_CURVES = 8
_SPREAD = (10, 25, 50, 75, 90)
_BINS = 1000
# Of probes so many rows are drawn.
_MEASURED_AT = 512


@dataclass(frozen=True)
class Panel:
    """Signals of one kind, by name, and what their axis is called."""

    label: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class Sorted:
    """The panels of a recording's signals; what is the same in every row, by name; and the names that have no room."""

    panels: tuple[Panel, ...]
    constant: Mapping[str, float]
    left_out: tuple[str, ...]


def signals_of(recording: Recording) -> dict[str, Series]:
    """Return the scalars, the probes of real numbers, and what was kept in short, by name."""
    probes = {name: each for name, each in recording.probes.items() if each.dtype.kind in "fiub"}
    everything = [*recording.scalars.items(), *probes.items(), *kept_in_short(recording).items()]
    # Of several by one name the first.
    return {**dict(everything), **dict(reversed(everything))}


def sort_signals(recording: Recording, pattern: str | None = None) -> Sorted:
    """Return the panels of all signals, or of those that *pattern*, a name or a glob, matches.

    Raises SettingError where it matches none.
    """
    signals = signals_of(recording)
    if pattern is not None and not signals:
        raise SettingError(f"signal={pattern!r}: {recording.path} has no scalars and no probes; leave it out")
    # Summaries are drawn where they are asked for: there are too many.
    kind = "scalar, probe or summary" if recording.summaries else "scalar or probe"
    shown = [name for name in signals if name not in kept_in_short(recording)]
    names = shown if pattern is None else matching(kind, pattern, signals)
    groups: dict[str, list[str]] = {}
    constant = {}
    for name in names:
        known = _some_values(signals[name])
        if pattern is None and known.size and np.ptp(known) == 0:
            constant[name] = float(known[0])
        elif known.size:
            groups.setdefault(_kind(name, signals[name], known), []).append(name)
    # Losses are what a training is told by, and come first; then what are shares.
    order = sorted(groups, key=lambda kind: ("loss", "share").index(kind) if kind in ("loss", "share") else 2)
    shown = order if pattern is not None else order[:_MOST_PANELS]
    left_out = tuple(name for kind in order if kind not in shown for name in groups[kind])
    labels = {"share": "share" if len(groups.get("share", ())) > 1 else groups.get("share", ["share"])[0]}
    panels = tuple(Panel(labels.get(kind, kind).replace("_", " "), tuple(groups[kind])) for kind in shown)
    return Sorted(panels, constant, left_out)


def draw_signals(ax: Axes, recording: Recording, panel: Panel) -> None:
    """Draw the signals of a panel over the steps; a probe of many numbers is its median, with its spread."""
    step, signals = recording.step[:], signals_of(recording)
    colours = [INK, *palette(len(panel.names))]
    for name, colour in zip(panel.names, colours, strict=False):
        if signals[name].ndim == 1:
            _draw_scalar(ax, step, signals[name][:].astype(float), name, colour)
        else:
            _draw_probe(ax, step, signals[name], name, colour)
    ax.set_ylabel(escaped(panel.label))
    # What every row has comes as a trend, whose first rows say most.
    drawn = np.concatenate([np.asarray(line.get_ydata(), float) for line in ax.lines] or [np.empty(0)])
    limits, is_log = loss_scale(drawn)
    if is_log and panel.label == "loss":
        ax.set_yscale("log")
        _label_sparsely(ax)
    ax.set_ylim(*limits)
    if len(ax.lines) > 1 or panel.label == "loss":
        ax.legend(fontsize=7.5, loc="best")


def _label_sparsely(ax: Axes) -> None:
    """Label a logarithmic axis of a low panel with a few plain numbers."""
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 3), numticks=5))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())


def _some_values(series: Series) -> np.ndarray:
    """Return known values of a signal: all of a scalar, those of some rows of a probe."""
    rows = np.unique(np.linspace(0, len(series) - 1, _MEASURED_AT).astype(int))
    values = np.asarray(series[:] if series.ndim == 1 else series[rows], dtype=float)
    return values[np.isfinite(values)]


def _kind(name: str, series: Series, known: np.ndarray) -> str:
    if "loss" in name.lower() and series.ndim == 1:
        return "loss"
    is_rate = name == "lr" or name.startswith("lr_")
    return "share" if series.ndim == 1 and not is_rate and known.min() >= 0 and known.max() <= 1 else name


def _draw_scalar(ax: Axes, step: np.ndarray, values: np.ndarray, name: str, colour: str) -> None:
    known = np.isfinite(values)
    label = name.replace("_", " ")
    if name == "loss":
        x, y, label = trend(step, values)
    elif known.mean() < 1 or len(step) <= 2 * _BINS:
        # Between two rows in which it was logged a curve goes straight.
        x, y = step[known], values[known]
    else:
        x, y = decimate(step, values, _BINS)
    ax.plot(x, y, color=colour, linewidth=1.2, label=escaped(label), marker="." if known.sum() < 3 else None)


def _draw_probe(ax: Axes, step: np.ndarray, series: Series, name: str, colour: str) -> None:
    rows = np.unique(np.linspace(0, len(step) - 1, _MEASURED_AT).astype(int))
    values = np.asarray(series[rows], dtype=float).reshape(len(rows), -1)
    # Between two rows in which it was measured a curve goes straight.
    known = np.isfinite(values).any(axis=1)
    rows, values = rows[known], values[known]
    if values.shape[1] <= _MOST_CURVES:
        for k, each in enumerate(palette(values.shape[1])):
            ax.plot(step[rows], values[:, k], color=each, linewidth=1.1, label=escaped(f"{name} {k}"))
        return
    draw_spread(ax, step[rows], values, colour, f"{name.replace('_', ' ')}, median of {values.shape[1]:,}")


def draw_spread(ax: Axes, step: np.ndarray, values: np.ndarray, colour: str, label: str) -> None:
    """Draw the median of values (t, n) over the steps, and where four fifths and half of them are."""
    known = np.isfinite(values).any(axis=1)
    draw_quantiles(ax, step[known], np.nanpercentile(values[known], _SPREAD, axis=1).T, label, colour)


def draw_quantiles(ax: Axes, step: np.ndarray, quantiles: np.ndarray, label: str, colour: str = PALETTE[0]) -> None:
    """Draw five quantiles (t, 5), those of a tenth, a quarter, a half and so on: a line in two bands."""
    lowest, low, middle, high, highest = quantiles.T
    for lower, upper in ((lowest, highest), (low, high)):
        ax.fill_between(step, lower, upper, color=colour, alpha=0.18, linewidth=0)
    ax.plot(step, middle, color=colour, linewidth=1.3, label=escaped(label))


def note_of(sorted_: Sorted) -> Sequence[str]:
    """Return what is said of the signals that are not drawn."""
    told = []
    if sorted_.constant:
        told.append("The same in every row: " + ", ".join(f"{k} {v:.4g}" for k, v in sorted_.constant.items()) + ".")
    if sorted_.left_out:
        told.append(f"Not drawn, but with --signal: {', '.join(sorted_.left_out)}.")
    return told
