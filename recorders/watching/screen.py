"""A glance at a recording, drawn in lines of text."""

import math
import unicodedata
from bisect import bisect_right
from itertools import accumulate

import numpy as np

from ..text import readable
from .glance import FeatureGlance, Glance, LevelChange, Sample

_BLOCKS = "▁▂▃▄▅▆▇█"
_LONGEST_BAR = 40
_LEAST_WIDTH = 20
_SCALAR_LINES = 3
# A recording that got no row for so many seconds may be waiting, or its training may be gone.
_PATIENCE = 10.0


def draw(glance: Glance, *, width: int, quiet: float = 0.0) -> list[str]:
    """Return *glance* as lines of at most *width* cells, and *quiet*, the seconds without a new row, if they are many.

    Whatever the file says is made printable: no control characters get through.
    """
    width = max(width, _LEAST_WIDTH)
    state = _state(glance, quiet)
    # Of a long path the end is what tells recordings apart.
    path = fit(glance.path[::-1], max(width - len(state), _LEAST_WIDTH))[::-1]
    lines = [f"{path}{state}", _progress(glance)]
    lines += _draw_loss(glance, width)
    others = [f"{name} {_number(value)}" for name, value in glance.scalars.items() if name != "loss"]
    lines += ["", *_wrapped(others, width, glance.other_scalars)] if others else []
    for name, features in glance.features.items():
        lines += ["", *_draw_features(name, features, width)]
    if glance.other_features:
        lines += ["", f"and the features of {glance.other_features} more parameters"]
    return [fit(line, width) for line in lines]


def draw_line(glance: Glance, *, quiet: float = 0.0) -> str:
    """Return *glance* as one line, for what is no terminal."""
    parts = [f"{glance.path}{_state(glance, quiet)}", _progress(glance)]
    if "loss" in glance.scalars:
        parts.append(f"loss {_number(glance.scalars['loss'])}")
    return printable(", ".join(part for part in parts if part))


def fit(text: str, width: int) -> str:
    """Return *text* made printable and cut to *width* cells of a terminal."""
    text = printable(text)
    ends = list(accumulate(map(_cells, text)))
    return text if not ends or ends[-1] <= width else f"{text[: bisect_right(ends, width - 1)]}…"


def printable(text: str) -> str:
    """Replace what a terminal would obey instead of showing it, such as escape sequences."""
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)


def _cells(sign: str) -> int:
    if unicodedata.combining(sign):
        return 0
    return 2 if unicodedata.east_asian_width(sign) in "WF" else 1


def _state(glance: Glance, quiet: float) -> str:
    diverged = "" if glance.diverged_at is None else f", diverged at step {glance.diverged_at:,}"
    waiting = f", no new row for {quiet:.0f} s" if quiet >= _PATIENCE and glance.status == "recording" else ""
    return f": {glance.status}{diverged}{waiting}, {glance.rows:,} rows, {readable(glance.bytes)}"


def _progress(glance: Glance) -> str:
    if glance.step is None or glance.seconds is None:
        return "no row yet"
    rate = "" if glance.rate is None else f", {_rate(glance.rate)} rows/s"
    return f"step {glance.step:,} after {_duration(glance.seconds)}{rate}"


def _draw_loss(glance: Glance, width: int) -> list[str]:
    if glance.loss is None:
        return []
    value = glance.scalars.get("loss")
    last = _number(value)
    line, scale = _sparkline(glance.loss, value, width - len(f"loss  {last}"))
    return ["", f"loss {line} {last}", *([f"     {scale}"] if scale else [])]


@np.errstate(over="ignore", invalid="ignore")
def _sparkline(sample: Sample, last: float | None, columns: int) -> tuple[str, str]:
    """Return the mean of each part of *sample* as a block, and what the lowest and the highest block stand for.

    The *last* value, which stands beside it, lies in that range.
    """
    values = np.where(np.isfinite(sample.values), sample.values, np.nan)
    known = values[~np.isnan(values)]
    if not known.size:
        return "", ""
    logarithmic = known.min() > 0 and known.max() >= 10 * known.min()
    values = np.log(values) if logarithmic else values
    parts = np.array_split(values, min(columns, len(values)))
    means = np.array([np.mean(part[~np.isnan(part)]) if not np.isnan(part).all() else np.nan for part in parts])
    shown = np.append(means, _on_scale(last, logarithmic=logarithmic))
    low, high = np.nanmin(shown), np.nanmax(shown)
    heights = (means - low) / (high - low or 1) * (len(_BLOCKS) - 1)
    line = "".join(" " if np.isnan(height) else _BLOCKS[round(height)] for height in heights)
    ends = (float(np.exp(end) if logarithmic else end) for end in (low, high))
    return line, f"{' to '.join(map(_number, ends))}{', logarithmic' if logarithmic else ''}"


def _on_scale(value: float | None, *, logarithmic: bool) -> float:
    """Return where a value lies on the scale, NaN where it has no place there."""
    if value is None or not math.isfinite(value) or (logarithmic and value <= 0):
        return math.nan
    return math.log(value) if logarithmic else value


def _draw_features(name: str, features: FeatureGlance, width: int) -> list[str]:
    *instances, count = features.shape
    members = f", {instances[0]} instances together" if instances else ""
    labels = max((len(label) for label in features.counts), default=0)
    longest = min(_LONGEST_BAR, width - labels - len(f"    {max(features.counts.values(), default=0)}"))
    most = max(features.counts.values(), default=1)
    bars = [
        f"  {label:{labels}} {'█' * max(1, round(count / most * longest))} {count}"
        for label, count in features.counts.items()
    ]
    return [f"{name}: {count} features by level{members}", *bars, *map(_describe, features.changes)]


def _describe(change: LevelChange) -> str:
    *instance, feature = change.feature
    member = f" of instance {instance[0]}" if instance else ""
    before = f" from {change.before}" if change.before else ""
    return f"  step {change.step:,}: feature {feature}{member}{before} to {change.after}"


def _wrapped(items: list[str], width: int, others: int) -> list[str]:
    """Set *items* in a few lines; those that do not fit are counted with the *others*."""
    lines = [""]
    left = len(items) + others
    for item in map(printable, items):
        joined = f"{lines[-1]}   {item}".lstrip()
        if not lines[-1] or sum(map(_cells, joined)) <= width:
            lines[-1] = joined
        elif len(lines) < _SCALAR_LINES:
            lines.append(item)
        else:
            break
        left -= 1
    return [*lines, f"and {left} more"] if left else lines


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value.is_integer() and abs(value) < 1e9 else f"{value:.4g}"


def _rate(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
