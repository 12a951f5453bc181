"""What a notebook shows of a recording and of what was found in it: HTML that needs nothing else, and no matplotlib."""

from html import escape

import numpy as np

from ...dynamics.errors import RecordingError
from ...dynamics.levels import LEVELS
from ..reading.recording import Recording
from ..reading.selection import Selection, select
from ..text import preformatted
from .summary import summarize

# The picture: its width, the heights of its two panels, and the room at the right for the names of the levels.
_WIDTH, _UPPER, _LOWER, _GAP, _MARGIN = 520, 150, 60, 10, 34
# So many rows and features are drawn, the features being those that move most.
_ROWS, _FEATURES = 300, 60
# Features that end below this dimensionality are faint.
_REPRESENTED = 0.1
# Labels of levels that lie nearer to the one above than this would touch it.
_APART = 0.06
# Hues that are this far apart stay apart, however many there are.
_GOLDEN_ANGLE = 137.5


def recording_html(recording: Recording) -> str:
    """Return a summary of a recording and, where it has features, a small picture of their levels and the loss.

    Whatever comes from the recording is escaped. A closed recording only says that it is closed.
    """
    try:
        text = preformatted(str(summarize(recording)))
    except RecordingError:
        return preformatted(repr(recording))
    has_levels = len(recording) and recording.features
    return f"<div>{text}{levels_svg(select(recording)) if has_levels else ''}</div>"


def levels_svg(selection: Selection) -> str:
    """Return a small picture of every feature's dimensionality over the steps, and of the loss below, as an SVG.

    At most 300 rows are drawn, evenly spaced, and of more than 60 features those that move most.
    """
    rows = slice(None, None, -(-len(selection.step) // _ROWS))
    x = _across(selection.step, rows)
    parts = [*_level_lines(), *_curves(x, _dimensionality(selection, rows)), *_loss(selection)]
    height = _UPPER + _GAP + _LOWER
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" role="img" '
        f'style="font: 10px sans-serif; max-width: 100%"><title>{escape(selection.title)}</title>{"".join(parts)}</svg>'
    )


def _across(step: np.ndarray, rows: slice | np.ndarray) -> np.ndarray:
    """Return where some of the rows lie between the left and the right."""
    return (_WIDTH - _MARGIN) * (step[rows] - step[0]) / max(float(step[-1] - step[0]), 1.0)


def _dimensionality(selection: Selection, rows: slice) -> np.ndarray:
    """Return D in some of the rows, of the features that move most, the farthest last; (rows, features)."""
    series = selection.recording.features[selection.parameter]["dimensionality"]
    D = series[rows] if selection.instance is None else series[rows, selection.instance]
    moved = np.nan_to_num(D.max(axis=0) - D.min(axis=0))
    return D[:, np.argsort(moved)[-_FEATURES:]]


def _level_lines() -> list[str]:
    lines, last = [], float("inf")
    for level in LEVELS:
        value = float(level.dimensionality)
        y = _height(np.array(value))
        lines.append(f'<path d="M0 {y:.1f}H{_WIDTH - _MARGIN}" stroke="currentColor" opacity="0.15"/>')
        if last - value > _APART:
            x = _WIDTH - _MARGIN + 4
            lines.append(f'<text x="{x}" y="{y + 3:.1f}" fill="currentColor">{level.label}</text>')
            last = value
    return lines


def _curves(x: np.ndarray, D: np.ndarray) -> list[str]:
    """Return the curves of the features, each in a colour of its own, or faint where it ends unrepresented."""
    curves = []
    for k, values in enumerate(D.T):
        is_shown = values[-1] > _REPRESENTED
        look = f'stroke="hsl({k * _GOLDEN_ANGLE % 360:.0f} 60% 45%)"' if is_shown else 'stroke="gray" opacity="0.5"'
        curves.append(f'<path d="{_path(x, _height(values))}" fill="none" {look}/>')
    return curves


def _loss(selection: Selection) -> list[str]:
    """Return the curve of the population loss, or that of the minibatches, by its logarithm if it is positive.

    It goes through the rows in which a loss was logged, at most 300 of them.
    """
    _, values = selection.told_loss()
    if values is None:
        return []
    known = np.flatnonzero(np.isfinite(values))
    known = known[:: -(-len(known) // _ROWS)]
    x, values = _across(selection.step, known), values[known]
    is_positive = values.min() > 0
    values = np.log(values) if is_positive else values
    low, high = values.min(), values.max()
    y = _UPPER + _GAP + _LOWER * (1 - (values - low) / ((high - low) or 1.0)) * 0.94 + 2
    name = f"loss{' (log)' if is_positive else ''}"
    place = f'x="{_WIDTH - _MARGIN - 4}" y="{_UPPER + _GAP + 12}"'
    label = f'<text {place} fill="currentColor" text-anchor="end">{name}</text>'
    return [f'<path d="{_path(x, y)}" fill="none" stroke="currentColor" stroke-width="1.3"/>', label]


def _height(D: np.ndarray) -> np.ndarray:
    return 8 + (_UPPER - 12) * (1 - np.clip(D, 0, 1.02))


def _path(x: np.ndarray, y: np.ndarray) -> str:
    """Return the commands of an SVG path through the points; what is not finite leaves a gap."""
    finite = np.isfinite(y)
    starts = finite & ~np.append(False, finite[:-1])
    points = zip(x[finite], y[finite], starts[finite], strict=True)
    return "".join(f"{'M' if begins else 'L'}{across:.1f} {down:.1f}" for across, down, begins in points)
