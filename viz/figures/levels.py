"""The levels figure: every feature's dimensionality over training, the loss underneath."""

import textwrap
from collections.abc import Container, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import Collection, LineCollection, PolyCollection
from matplotlib.figure import Figure

from ...dynamics.chance import Verdict
from ...dynamics.jumps import detect_jumps
from ...dynamics.levels import LEVELS
from ...recorders.reading.recording import Recording
from ...recorders.reading.selection import Selection, select
from ...recorders.stories.judging import told_jumps, verdict_on
from ..parts.curves import TRANSIENT, Scale, decimate, loss_scale, outline, trend
from ..parts.jump_marks import draw_jumps, key_of, label_curves
from ..parts.panels import write_notes
from ..parts.style import FAINT, INK, LINE, escaped, feature_colours, new_panels, spread, style

_FIGURE_SIZE = (8.0, 5.8)
_TOP = 1.06
_LABEL_GAP = 0.05
_TITLE_LETTERS = 84
# Below this step a logarithmic axis is linear, since row 0 has to be on it.
_LINEAR_UP_TO = 10
# What the jumps are compared with: the population loss tells more than that of the minibatches.
# Stretches of the axis that give their least and greatest value, two for each pixel column; and when there are so many
# points that lines would be slow, one.
_BINS = 2000
_MOST_POINTS = 400_000
# At so many rows it is seen how far a feature moves over the run.
_LOOKS = 50
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

    Jumps are bands through both panels, with the numbers of the features on their curves: each says which features go
    from where to where, or has a number where they are many, with a key underneath.

    parameter: whose features, by default the first that has any. instance: which member of an ensemble, by default
    the first. log_steps: draw the steps on a logarithmic axis. Given *ax*, the upper panel alone is drawn there.
    Raises RecordingError where the recording has no features, SettingError for a parameter or instance it lacks.

    Source: Toy Models of Superposition, "Superposition and Learning Dynamics", phenomenon 1.
    """
    selection = select(recording, parameter, instance)
    with style():
        if ax is None:
            figure, panels = new_panels((2.0, 1.0), _FIGURE_SIZE)
        else:
            figure, panels = ax.figure, [ax]
        assert isinstance(figure, Figure)
        if log_steps:
            panels[0].set_xscale("symlog", linthresh=_LINEAR_UP_TO)
        verdict = draw_levels(panels[0], selection)
        if ax is None:
            draw_loss(panels[1], selection, whole=log_steps)
            panels[1].set_xlabel("steps")
        key = _mark_jumps(panels, selection, verdict)
        if ax is None:
            write_notes(figure, [_caption(selection, verdict), *key])
    return figure


def _mark_jumps(panels: Sequence[Axes], selection: Selection, verdict: Verdict | None) -> list[str]:
    """Mark the jumps on the panels, with the title above the marks, and return the key to them if they are numbers."""
    name, loss = selection.told_loss()
    step, D = selection.step, selection.dimensionality
    jumps = [each.jump for each in told_jumps(selection, detect_jumps(D, loss, step), verdict)]
    marks = draw_jumps(panels, jumps, selection.labels)
    label_curves(panels[0], jumps, step, D, selection.labels)
    panels[0].set_title(escaped(textwrap.fill(selection.title, _TITLE_LETTERS)), pad=marks.height)
    return key_of(jumps, (name or "loss").replace("_", " "), selection.labels) if marks.are_numbers else []


def _caption(selection: Selection, verdict: Verdict | None) -> str:
    colours = "grey if it ends without a dimension" if selection.sets is None else "in the colour of its set"
    if verdict is not None and not verdict.says_more:
        return (
            f"Each curve is one feature, {colours}. Its dimensionality D is the share of a hidden dimension that it "
            f"has to itself: 1 where it shares with none. What is drawn chance would show too: {verdict.words}."
        )
    return (
        f"Each curve is one feature, {colours}. Its dimensionality D is the share of a hidden dimension that it has to "
        "itself: 1 where it shares with none, 1/2 where two share alike, 0 where it is not represented. A polytope is "
        "named beside its level where the directions form one at the end. Shaded: jumps between the levels, with the "
        "numbers of the features."
    )


def draw_levels(ax: Axes, selection: Selection, *, names: bool = True) -> Verdict | None:
    """Draw D of every feature and the level lines; unrepresented features are faint, and what moves most is on top.

    Where all is as chance would have it there are no levels, but a line where the D of random directions is. Return
    what may be said of the features.
    """
    step, D = selection.step, selection.dimensionality
    first = step[0] if ax.get_xscale() != "log" else _first_positive(step)
    ax.set_xlim(first, max(selection.last_step, first + 1))
    # So many and so long curves that their strokes would take minutes.
    are_areas = len(step) > _BINS and min(len(step), 2 * _BINS) * D.shape[1] > _MOST_POINTS
    looked_at = np.linspace(0, len(step) - 1, _LOOKS).astype(int)
    drawn = outline(step, D, _BINS // 2 if are_areas else _BINS, looked_at, scale=_scale(ax))
    colours = feature_colours(selection, drawn.rows[-1])
    moved = np.nan_to_num(drawn.rows.max(axis=0) - drawn.rows.min(axis=0))
    order = np.lexsort((moved, [colour != FAINT for colour in colours])).tolist()
    draw = _areas if are_areas else _lines
    ax.add_collection(draw(drawn.x, drawn.y[:, order], [colours[i] for i in order]))
    ax.set_ylim(-0.02, _TOP)
    ax.set_ylabel("feature dimensionality $D_i$")
    verdict = verdict_on(selection)
    if verdict is not None and not verdict.says_more:
        _draw_line(ax, verdict.at_random, "at random" if names else "")
    else:
        draw_level_lines(ax, set(verdict.names.values() if verdict else ()) if names else None)
    return verdict


def _lines(x: np.ndarray, y: np.ndarray, colours: list[str]) -> Collection:
    """Return the curves of all features, the first one lowest."""
    segments = [np.column_stack([x, line]) for line in y.T]
    return LineCollection(
        segments, colors=colours, linewidths=[0.7 if colour == FAINT else 1.3 for colour in colours],
        linestyles=_linestyles(colours), rasterized=y.size > 10**5,
    )  # fmt: skip


def _areas(x: np.ndarray, y: np.ndarray, colours: list[str]) -> Collection:
    """Return the areas between the features' least and greatest values, which cover the same pixels as their curves."""
    least, greatest, middle = y[::2].T, y[1::2].T, (x[::2] + x[1::2]) / 2
    edge = np.append(middle, middle[::-1])
    areas = [np.column_stack([edge, np.append(a, b[::-1])]) for a, b in zip(least, greatest, strict=True)]
    return PolyCollection(areas, facecolors=colours, edgecolors=colours, linewidths=0.5, rasterized=True)


def _linestyles(colours: list[str]) -> list[str]:
    """Return solid lines, and other strokes for the second and third feature of a colour; the faint ones need none."""
    seen: dict[str, int] = {}
    styles = []
    for colour in colours:
        styles.append("-" if colour == FAINT else _STROKES[seen.get(colour, 0) % len(_STROKES)])
        seen[colour] = seen.get(colour, 0) + 1
    return styles if max(seen.values(), default=0) <= len(_STROKES) else ["-"] * len(colours)


def draw_level_lines(ax: Axes, found: Container[str] | None = ()) -> None:
    """Draw the energy levels as lines, labelled at the right margin with their numbers.

    Beside a number stands its polytope where that was *found* among the directions of the features, and what 1 and 0
    themselves mean; nothing where *found* is None.
    """
    values = [float(level.dimensionality) for level in LEVELS]
    for level, value, place in zip(LEVELS, values, spread(values, _LABEL_GAP), strict=True):
        text = f"{level.label}  {'' if found is None else level.name_among(found)}".rstrip()
        _draw_line(ax, value, text, place)


def _draw_line(ax: Axes, value: float, text: str, place: float | None = None) -> None:
    """Draw a line at a dimensionality with a text at the right margin, at *place* where that is not there."""
    ax.axhline(value, color=LINE, linewidth=0.8, zorder=0)
    ax.annotate(
        text, (1.0, value if place is None else place), xycoords=("axes fraction", "data"), xytext=(5, 0),
        textcoords="offset points", va="center", fontsize=8, color="#555555", annotation_clip=False,
    )  # fmt: skip


def draw_loss(ax: Axes, selection: Selection, *, whole: bool = False) -> None:
    """Draw the population loss boldly where it was recorded, and the trend of the minibatch loss faintly.

    The panel shows what happens after the first fall, unless the *whole* of it is asked for.
    """
    step, expected, minibatch = selection.step, selection.loss("expected_loss"), selection.loss("loss")
    ax.set_ylabel("loss")
    if minibatch is not None:
        look = {"color": INK, "linewidth": 1.3} if expected is None else {"color": "#9A9A9A", "linewidth": 0.7}
        *line, label = trend(step, minibatch)
        ax.plot(*line, label=label, **look)
    if expected is not None:
        ax.plot(*decimate(step, expected, _BINS, scale=_scale(ax)), color=INK, linewidth=1.3, label="expected loss")
    if ax.lines:
        shown = int(np.searchsorted(step, selection.last_step))
        _scale_loss(ax, step[0 if whole else int(TRANSIENT * shown)])
        ax.legend(loc="lower left" if whole else "upper right", fontsize=8)
    else:
        ax.text(
            0.5, 0.5, "no finite loss was logged", transform=ax.transAxes, ha="center", va="center", color="#777777"
        )


def _scale_loss(ax: Axes, first: float) -> None:
    """Show the whole range of the curves from the step *first* on."""
    drawn = [np.asarray(line.get_xydata()) for line in ax.lines]
    curves = np.concatenate([points[points[:, 0] >= first, 1] for points in drawn])
    limits, is_log = loss_scale(curves)
    if is_log:
        ax.set_yscale("log")
    ax.set_ylim(*limits)


def _scale(ax: Axes) -> Scale:
    """Return what takes a step to where this axis, linear or logarithmic, has it.

    The steps that a logarithmic axis has no place for are taken to where the first one is that it has.
    """
    transform = ax.xaxis.get_transform().transform
    if ax.get_xscale() != "log":
        return transform
    return lambda x: transform(np.maximum(x, _first_positive(x)))


def _first_positive(step: np.ndarray) -> float:
    return float(step[step > 0][0]) if (step > 0).any() else 1.0
