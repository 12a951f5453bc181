"""What the loss does while features jump: how far it goes, how surely, and how much sooner or later."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from .blocks import BLOCKS
from .ends import Value, calm, noise_in_averages, value_at_end
from .ramps import BINS, fit_ramp
from .sides import NEAR
from .track import Span, between

# A ramp of the loss counts where it changes by so many standard errors: of hundreds that could be, chance makes none.
_SEEN = 5.0
# What the loss does beside a ramp of its own, in as many rows, is no more than this share of it: else it is a curve.
_STEADY = 1 / 3
# The best straight ramp cuts the corners of one that begins and ends gently, by its length over so much.
_CORNERS = 16
# It is sooner or later than the jump where so large a share of it is outside.
_APART = 0.25
# A jump is widened by so many blocks at least.
_LOOK = 8
# Fewer rows have no room for a ramp.
_FEWEST = 8
# And fewer beside one show no drift.
_FEWEST_BESIDE = 3
# A value is above 0 by so many standard errors.
_POSITIVE = 2.0
# The noise near an end is measured in so many rows on both sides, and anew for each of so many.
_NOISE_ROWS, _NOISE_EVERY = 128, 32
# Differences smaller than this share of the loss are rounding.
_ROUNDING = 1e-12


class LossChange(NamedTuple):
    """The loss before and after a jump, and the standard error of their difference; lag is in steps.

    The lag is from the middle of the jump to the middle of the loss's own ramp, negative where the loss leads, and NaN
    where the loss has none near the jump. All of them are NaN where no loss is known on one of the sides.
    """

    before: float
    after: float
    error: float
    lag: float

    @property
    def change(self) -> float:
        """How much larger the loss is after the jump."""
        return self.after - self.before

    @property
    def sigmas(self) -> float:
        """The size of the change in units of its standard error."""
        return abs(self.change) / self.error

    @property
    def factor(self) -> float:
        """How many times as large the loss is after the jump; NaN where one of the two may be 0 or less."""
        return self.after / self.before if min(self.before, self.after) > _POSITIVE * self.error else np.nan


def match_loss(loss: np.ndarray, step: np.ndarray, spans: Sequence[Span]) -> list[LossChange]:
    """Return what *loss* does across each of *spans*, rows in order of time that do not overlap.

    The change is that of the loss, without its noise, from the first to the last row of a jump: both values are taken
    from the rows on the outer side, that row and those beside it, see ends.value_at_end(). A ramp of the loss belongs
    to a jump where all of it lies within the jump widened by the jump's own length on both sides, and is no farther
    from the jump than itself is long: what is farther away happened before or after, and not with it, and what begins
    or ends elsewhere is more than this jump's. Where there is one, the loss is compared across jump and ramp together.
    A ramp is steady on both sides; what falls as fast beside it is a curve, which has no time of its own.

    Shapes: loss (T,), NaN where unknown; step (T,). Units: those of the loss, steps.
    """
    known = np.flatnonzero(np.isfinite(loss))
    if not (known.size and len(spans)):
        return [LossChange(*[np.nan] * 4)] * len(spans)
    series = _Loss.of(loss, known)
    return [_matched(series, step, *each) for each in zip(spans, between(spans, len(loss)), strict=True)]


@dataclass(frozen=True, eq=False)
class _Loss:
    """A loss without its spikes, where it is known (K,) and, with the last known before it, at all rows (T,)."""

    known: np.ndarray
    values: np.ndarray
    rows: np.ndarray
    size: int
    least: float
    measured: dict[int, float] = field(default_factory=dict)

    @classmethod
    def of(cls, loss: np.ndarray, known: np.ndarray) -> "_Loss":
        values = calm(np.asarray(loss[known], np.float64))
        latest = np.maximum(np.searchsorted(known, np.arange(len(loss)), side="right") - 1, 0)
        least = max(_ROUNDING * float(np.abs(values).max()), float(np.finfo(float).tiny))
        return cls(known, values, values[latest], max(1, -(-len(loss) // BLOCKS)), least)

    def before(self, row: int, low: int) -> np.ndarray:
        """Return the values from *low* to *row*, which is the last."""
        reach = NEAR * self.size
        first, last = np.searchsorted(self.known, [max(low, row - reach), row + 1])
        return self.values[first:last]

    def after(self, row: int, high: int) -> np.ndarray:
        """Return the values from *high* back to *row*, which is the last."""
        reach = NEAR * self.size
        first, last = np.searchsorted(self.known, [row, min(high, row + reach) + 1])
        return self.values[first:last][::-1]

    def noise(self, row: int) -> float:
        """Return the noise of a value near *row*, as it counts in averages over many."""
        at = int(np.searchsorted(self.known, row)) // _NOISE_EVERY * _NOISE_EVERY
        if at not in self.measured:
            near = self.values[max(0, at - _NOISE_ROWS) : at + _NOISE_ROWS]
            self.measured[at] = max(noise_in_averages(near), self.least)
        return self.measured[at]

    def sides(self, span: Span, bounds: Span) -> tuple[Value, Value]:
        """Return the values at both ends of *span*, from the rows on its outer sides within *bounds*."""
        left, right = self.before(span[0], bounds[0]), self.after(span[1], bounds[1])
        return _value(left, self.noise(span[0])), _value(right, self.noise(span[1]))

    def drift(self, span: Span, bounds: Span) -> tuple[float, float]:
        """Return how far the loss goes in as many rows as *span* has, before and after it."""
        rows = span[1] - span[0]
        reach = max(rows, self.size, _FEWEST_BESIDE)
        left = self.before(span[0], max(bounds[0], span[0] - reach))
        right = self.after(span[1], min(bounds[1], span[1] + reach))
        return rows * _slope(left), -rows * _slope(right)


def _value(y: np.ndarray, noise: float) -> Value:
    return value_at_end(y, noise) if y.size else Value(np.nan, np.nan)


def _slope(y: np.ndarray) -> float:
    """Return the slope of the line through *y* (k,), infinite where there is none."""
    if y.size < 2:
        return np.inf
    t = np.arange(y.size) - (y.size - 1) / 2
    return float(t @ y / (t @ t))


def _matched(loss: _Loss, step: np.ndarray, span: Span, bounds: Span) -> LossChange:
    own = next(filter(None, _own_ramps(loss, span, bounds)), None)
    whole = span if own is None else _together(span, own, bounds)
    (before, error), (after, other) = loss.sides(whole, _until_others(loss, whole, bounds))
    lag = np.nan if own is None else step[list(own)].mean() - step[list(span)].mean()
    return LossChange(before, after, float(np.hypot(error, other)), float(lag))


def _together(span: Span, own: Span, bounds: Span) -> Span:
    """Return the rows that *span* and the loss's *own* ramp take, with the corners of one that is sooner or later."""
    rows = own[1] - own[0]
    corner, apart = max(1, round(rows / _CORNERS)), rows * _APART
    first = own[0] - corner if span[0] - own[0] > apart else min(own[0], span[0])
    last = own[1] + corner if own[1] - span[1] > apart else max(own[1], span[1])
    return max(first, bounds[0]), min(last, bounds[1])


def _own_ramps(loss: _Loss, span: Span, bounds: Span) -> Iterator[Span | None]:
    """Yield the ramp that belongs to *span*, as one between levels and as one on a slope; None where there is none."""
    for noise in (np.inf, loss.noise(span[0])):
        yield _own_ramp(loss, span, bounds, noise)


def _own_ramp(loss: _Loss, span: Span, bounds: Span, noise: float) -> Span | None:
    """Return the ramp of the loss that belongs to *span*, None where there is none that is seen above the noise."""
    reach = max(span[1] - span[0], _LOOK * loss.size)
    low, high = max(bounds[0], span[0] - reach), min(bounds[1], span[1] + reach)
    while high > low:
        own = fit_ramp(loss.rows, low, high + 1, noise)
        if not _is_ramp(loss, own, bounds):
            return None
        apart = max(own[0] - span[1], span[0] - own[1])
        is_whole = min(own[0] - low, high - own[1]) >= (high + 1 - low) / BINS
        if is_whole and apart <= max(min(own[1] - own[0], span[1] - span[0]), loss.size):
            return own
        if apart <= 0:
            return None
        # A larger change farther away hides what is near.
        bounds = (own[1], bounds[1]) if own[1] < span[0] else (bounds[0], own[0])
        low, high = max(low, bounds[0]), min(high, bounds[1])
    return None


def _until_others(loss: _Loss, span: Span, bounds: Span) -> Span:
    """Return from where to where, within *bounds*, the loss has no other ramp than in *span*."""
    reach = NEAR * loss.size
    low, high = max(bounds[0], span[0] - reach), min(bounds[1], span[1] + reach)
    while ramp := _ramp_within(loss, (low, span[0])):
        low = ramp[1]
    while ramp := _ramp_within(loss, (span[1], high)):
        high = ramp[0]
    return low, high


def _ramp_within(loss: _Loss, stretch: Span) -> Span | None:
    """Return the best ramp of the loss in a stretch of rows, None where it is too short or no ramp."""
    if stretch[1] - stretch[0] < _FEWEST:
        return None
    ramp = fit_ramp(loss.rows, stretch[0], stretch[1] + 1, np.inf)
    return ramp if _is_ramp(loss, ramp, stretch) else None


def _is_ramp(loss: _Loss, span: Span, bounds: Span) -> bool:
    """Tell whether the loss changes in *span* above its noise, and faster than beside it."""
    before, after = loss.sides(span, bounds)
    change = after.value - before.value
    if not abs(change) >= _SEEN * np.hypot(before.error, after.error):
        return False
    return max(map(abs, loss.drift(span, bounds))) <= _STEADY * abs(change)
