"""The levels figure: every feature's dimensionality over training, the loss underneath."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from ..dynamics.levels import LEVELS
from ..recorders.recording import Recording
from ..recorders.selection import Selection, select
from .colours import feature_colours
from .decimate import decimate
from .style import FAINT, INK, LINE, escaped, new_panels, spread, style

_FIGURE_SIZE = (8.0, 5.8)
_TOP = 1.06
_LABEL_GAP = 0.05
# The running mean that shows the trend of a minibatch loss is taken over this fraction of the rows.
_SMOOTHING = 0.01
# The loss panel shows what happens after this fraction of the run in full; the first fall may leave it at the top.
_TRANSIENT = 0.05
_LOG_RANGE = 5.0
_STROKES = ("-", "--", "-.", ":")


def plot_levels(
    recording: Recording,
    ax: Axes | None = None,
    *,
    parameter: str | None = None,
    instance: int | None = None,
    log_steps: bool = False,
) -> Figure:
    """Plot every feature's dimensionality D over the steps, the energy levels as named lines, the loss underneath.

    parameter: whose features, by default the first that has any. instance: which member of an ensemble, by default
    the first. log_steps: draw the steps on a logarithmic axis. Given *ax*, the upper panel alone is drawn there.
    Raises RecordingError where the recording has no features, SettingError for a parameter or instance it lacks.

    Source: Toy Models of Superposition, "Superposition and Learning Dynamics", phenomenon 1.
    """
    selection = select(recording, parameter, instance)
    with style():
        if ax is None:
            figure, (upper, lower) = new_panels((2.0, 1.0), _FIGURE_SIZE)
            draw_loss(lower, selection, whole=log_steps)
            lower.set_xlabel("optimizer steps")
        else:
            figure, upper = ax.figure, ax
        draw_levels(upper, selection)
        upper.set_title(escaped(selection.title))
        if log_steps:
            upper.set_xscale("symlog", linthresh=10)
    assert isinstance(figure, Figure)
    return figure


def draw_levels(ax: Axes, selection: Selection, *, names: bool = True) -> None:
    """Draw D of every feature and the level lines; unrepresented features are faint and lie underneath."""
    step, D = selection.step, selection.dimensionality
    colours = feature_colours(selection, D[-1])
    x, lines = decimate(step, D)
    order = sorted(range(D.shape[1]), key=lambda i: colours[i] != FAINT)
    collection = LineCollection(
        [np.column_stack([x, lines[:, i]]) for i in order],
        colors=[colours[i] for i in order],
        linewidths=[0.7 if colours[i] == FAINT else 1.3 for i in order],
        linestyles=_linestyles([colours[i] for i in order]),
        rasterized=len(order) * len(x) > 10**6,
    )
    ax.add_collection(collection)
    ax.set_xlim(step[0], max(step[-1], step[0] + 1))
    ax.set_ylim(-0.02, _TOP)
    ax.set_ylabel("feature dimensionality $D_i$")
    _draw_level_lines(ax, names)


def _linestyles(colours: list[str]) -> list[str]:
    """Return solid lines, and other strokes for the second and third feature of a colour; the faint ones need none."""
    seen: dict[str, int] = {}
    styles = []
    for colour in colours:
        styles.append("-" if colour == FAINT else _STROKES[seen.get(colour, 0) % len(_STROKES)])
        seen[colour] = seen.get(colour, 0) + 1
    return styles


def _draw_level_lines(ax: Axes, names: bool) -> None:
    values = [float(level.dimensionality) for level in LEVELS]
    for level, value, place in zip(LEVELS, values, spread(values, _LABEL_GAP), strict=True):
        ax.axhline(value, color=LINE, linewidth=0.8, zorder=0)
        text = f"{level.label}  {level.polytope}" if names else level.label
        ax.annotate(
            text, (1.0, place), xycoords=("axes fraction", "data"), xytext=(5, 0), textcoords="offset points",
            va="center", fontsize=8, color="#555555", annotation_clip=False,
        )  # fmt: skip


def draw_loss(ax: Axes, selection: Selection, *, whole: bool = False) -> None:
    """Draw the population loss boldly where it was recorded, and the trend of the minibatch loss faintly.

    The panel shows what happens after the first fall, unless the *whole* of it is asked for.
    """
    step, expected, minibatch = selection.step, selection.loss("expected_loss"), selection.loss("loss")
    ax.set_ylabel("loss")
    curves = []
    if minibatch is not None:
        window = max(1, int(_SMOOTHING * len(minibatch)))
        curves.append(_running_mean(minibatch, window))
        bold = {"color": INK, "linewidth": 1.3} if expected is None else {"color": "#9A9A9A", "linewidth": 0.7}
        label = "minibatch loss" if window == 1 else f"minibatch loss, mean of {window} rows"
        ax.plot(*decimate(step, curves[-1]), label=label, **bold)
    if expected is not None:
        curves.append(expected)
        ax.plot(*decimate(step, expected), color=INK, linewidth=1.3, label="expected loss")
    if curves:
        _scale_loss(ax, np.array(curves)[:, 0 if whole else int(_TRANSIENT * len(step)) :])
        ax.legend(loc="lower left" if whole else "upper right", fontsize=8)
    else:
        ax.text(
            0.5, 0.5, "no finite loss was logged", transform=ax.transAxes, ha="center", va="center", color="#777777"
        )


def _scale_loss(ax: Axes, curves: np.ndarray) -> None:
    """Show the whole range of the curves, (k, T)."""
    finite = curves[np.isfinite(curves)]
    if not finite.size:
        return
    low, high = finite.min(), finite.max()
    if low > 0 and high / low > _LOG_RANGE:
        ax.set_yscale("log")
        ax.set_ylim(low / 1.15, high * 1.3)
    elif high > low:
        ax.set_ylim(low - 0.06 * (high - low), high + 0.1 * (high - low))


def _running_mean(values: np.ndarray, window: int) -> np.ndarray:
    """Return the centred mean over *window* rows; NaN where fewer than half of them are known, as at the ends."""
    kernel = np.ones(window)
    known = np.isfinite(values)
    total = np.convolve(np.where(known, values, 0.0), kernel, mode="same")
    count = np.convolve(known.astype(float), kernel, mode="same")
    return np.divide(total, count, out=np.full(len(values), np.nan), where=count >= window / 2)
