"""Panels of shares at each point of a sweep, with error bars: of the features at a level, or in a polytope."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from ...dynamics.ensembles.intervals import IntervalEstimate
from ...dynamics.levels import LEVELS
from ...recorders.sweeps.statistics import PointStatistics
from .style import MARKERS, PALETTE

STROKES = ("-", "--", "-.", ":")
# What no point has in more than this share of its features is not drawn, nor more curves than these.
RARE, _MOST = 0.03, 8
# Curves are moved apart by so much of the axis, so that their bars do not hide each other.
_APART = 0.006
_LOGARITHMIC = 5.0
# So many labels or more lie aslant.
_SLANTED = 5
_RANGE = (-0.03, 1.03)
_NOTHING, _UNKNOWN = IntervalEstimate(0.0, 0.0, 0.0), IntervalEstimate(np.nan, np.nan, np.nan)
_SYMBOLS = {"density": "$p$", "importance_extra": "importance"}
_NUMBERS = {name: k for k, level in enumerate(LEVELS) for name in (level.label, level.polytope)}

Shares = dict[str, list[IntervalEstimate]]


def name_of(point: PointStatistics) -> str:
    """Return the settings of a point as a label; empty where there is one point only."""
    settings = {_SYMBOLS.get(name, name): value for name, value in point.settings.items()}
    return ", ".join(
        f"{name} = {value:.3g}" if isinstance(value, float) else f"{name} = {value}" for name, value in settings.items()
    )


def plain_name(polytope: str) -> str:
    """Return a polytope's name for readers who do not know the word."""
    plain = {"digon": "digon (antipodal pair)", "unnamed": "no known polytope", "6-gon": "hexagon"}
    return plain.get(polytope, polytope)


def formed(points: Sequence[PointStatistics]) -> Shares:
    """Return the share of the features that end in each polytope, at each point."""
    return _together([{name: each.features for name, each in p.dynamics.polytopes.items()} for p in points])


def at_levels(points: Sequence[PointStatistics]) -> Shares:
    """Return the share of the features that end at each level, at each point."""
    return _together([point.dynamics.occupancy.at_end() for point in points])


def _together(shares: Sequence[Mapping[str, IntervalEstimate]]) -> Shares:
    """Return the estimates of each name at all points, of those that are ever common, the most common first."""
    names = {name for each in shares for name in each}
    # Of a point at which no model reached the end nothing is known.
    together = {name: [each.get(name, _NOTHING if each else _UNKNOWN) for each in shares] for name in sorted(names)}
    most = {name: max(np.nan_to_num(each.value) for each in values) for name, values in together.items()}
    common = sorted((name for name in together if most[name] > RARE), key=lambda name: -most[name])
    return {name: together[name] for name in common[:_MOST]}


def draw_shares(ax: Axes, points: Sequence[PointStatistics], shares: Shares, title: str) -> None:
    """Draw shares over the points: along the values of their setting if it is one number, else side by side.

    Of a single point each share has a line of its own.
    """
    ax.set_title(title, fontsize=9)
    if not shares:
        _draw_nothing(ax, points)
        return
    if len(points) == 1:
        _draw_lines(ax, shares)
        return
    values, is_number = _places(points)
    is_log = is_number and values.min() > 0 and values.max() > _LOGARITHMIC * values.min()
    for k, (name, estimates) in enumerate(shares.items()):
        away = (k - (len(shares) - 1) / 2) * _APART
        low, high = values.min(), values.max()
        places = values * (high / low) ** away if is_log else values + away * (high - low)
        share, bars = _with_bars(estimates)
        number = _number(name, shares)
        ax.errorbar(
            places, share, bars, color=PALETTE[number % len(PALETTE)], label=plain_name(name),
            marker=MARKERS[number % len(MARKERS)], markersize=4, linestyle=STROKES[number % len(STROKES)],
            linewidth=1.2, elinewidth=1, capsize=2,
        )  # fmt: skip
    ax.set_ylim(*_RANGE)
    ax.set_ylabel("share of the features")
    if is_number:
        (name,) = points[0].settings
        ax.set_xlabel({"density": "density $p = 1 - S$"}.get(name, name))
    else:
        ax.set_xticks(values, [name_of(point) for point in points], rotation=0 if len(points) < _SLANTED else 40)
    if is_log:
        scale_by_logarithm(ax, ax.xaxis)
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8)


def scale_by_logarithm(ax: Axes, axis: Axis) -> None:
    """Make an axis logarithmic, with plain numbers at 1, 2 and 5."""
    (ax.set_xscale if axis is ax.xaxis else ax.set_yscale)("log")
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def _draw_nothing(ax: Axes, points: Sequence[PointStatistics]) -> None:
    """Say why there is nothing to draw."""
    has_ends = any(point.dynamics.polytopes for point in points)
    why = f"none holds more than {RARE:.0%}" if has_ends else "no model reached the end"
    ax.text(0.5, 0.5, why, transform=ax.transAxes, ha="center", va="center")
    ax.set_xticks([])
    ax.set_yticks([])


def _draw_lines(ax: Axes, shares: Shares) -> None:
    for k, (name, estimates) in enumerate(shares.items()):
        share, bars = _with_bars(estimates)
        number = _number(name, shares)
        colour, marker = PALETTE[number % len(PALETTE)], MARKERS[number % len(MARKERS)]
        ax.errorbar(share, [k], xerr=bars, color=colour, marker=marker, markersize=5, capsize=3)
    ax.set_yticks(range(len(shares)), [plain_name(name) for name in shares])
    ax.set_ylim(len(shares) - 0.5, -0.5)
    ax.set_xlim(*_RANGE)
    ax.set_xlabel("share of the features")


def _with_bars(estimates: Sequence[IntervalEstimate]) -> tuple[np.ndarray, np.ndarray]:
    """Return the values (k,), and how far down and up their intervals go, (2, k); NaN, which has no bar, if unknown."""
    value, low, high = np.array([[each.value, each.low, each.high] for each in estimates]).T
    return value, np.array([value - low, high - value])


def _number(name: str, shares: Shares) -> int:
    """Return what a name's colour, mark and stroke go by: the same for a level and for its polytope."""
    others = [other for other in shares if other not in _NUMBERS]
    return _NUMBERS[name] if name in _NUMBERS else len(LEVELS) + others.index(name)


def _places(points: Sequence[PointStatistics]) -> tuple[np.ndarray, bool]:
    """Return where the points lie on the axis, and whether that is the value of their one setting."""
    settings = [list(point.settings.values()) for point in points]
    if all(len(each) == 1 and isinstance(each[0], int | float) for each in settings):
        return np.array(settings, dtype=float)[:, 0], True
    return np.arange(len(points), dtype=float), False
