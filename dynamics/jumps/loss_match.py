"""What the loss does while features jump: how far it drops, how surely, and how much sooner or later."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .blocks import condense, fill, noise
from .ramps import BINS, fit_ramp
from .sides import NEAR
from .track import Span, Track, between, block_steps

# The loss changes where it changes by so many standard errors: of hundreds of ramps that could be, chance makes none.
_SEEN = 5.0
# What is seen so over the plateaus of 32 blocks is four fifths of a block's noise or more in each of them, and its time
# is known to a few blocks: a jump is widened by so many at least.
_LOOK = 8
# A plateau has so many blocks.
_SHORTEST = 2
# Differences smaller than this share of the loss are rounding.
_ROUNDING = 1e-12


class LossChange(NamedTuple):
    """The change of the loss across a jump, in units of its standard error too; lag is in steps.

    The lag is from the middle of the jump to the middle of the loss's own ramp, negative where the loss leads, and NaN
    where the loss has none near the jump. All three are NaN where there is no loss.
    """

    change: float
    sigmas: float
    lag: float


def match_loss(loss: np.ndarray, step: np.ndarray, spans: Sequence[Span]) -> list[LossChange]:
    """Return what *loss* does across each of *spans*, rows in order of time that do not overlap.

    A ramp of the loss belongs to a jump where all of it lies within the jump widened by the jump's own length on both
    sides, and is no farther from the jump than itself is long: what is farther away happened before or after, and not
    with it, and what begins or ends elsewhere is more than this jump's. The loss is compared between the plateaus on
    both sides of the jump and of that ramp, or of the jump alone where there is none; they end where the loss changes
    again, or another jump begins. Its noise is measured about them, with its correlation from row to row.

    Shapes: loss (T,), NaN where unknown; step (T,). Units: those of the loss, standard errors, steps.
    """
    if not np.isfinite(loss).any():
        return [LossChange(np.nan, np.nan, np.nan)] * len(spans)
    rows = fill(loss[:, None])
    blocks = condense(rows)
    least = max(_ROUNDING * float(np.abs(rows).max()), np.finfo(float).tiny)
    scale = max(float(noise(blocks.means)[0]), least)
    track = Track(rows[:, 0], blocks.means[:, 0], blocks.size, step, block_steps(step, blocks), scale)
    return [_matched(track, *each) for each in zip(spans, between(spans, len(loss)), strict=True)]


def _matched(track: Track, span: Span, bounds: Span) -> LossChange:
    own = _own_ramp(track, span, bounds)
    whole = span if own is None else (min(span[0], own[0]), max(span[1], own[1]))
    sides = track.sides(whole, _plateaus(track, whole, bounds))
    lag = np.nan if own is None else track.step[list(own)].mean() - track.step[list(span)].mean()
    return LossChange(sides.after - sides.before, float(sides.sigmas), float(lag))


def _own_ramp(track: Track, span: Span, bounds: Span) -> Span | None:
    """Return the ramp of the loss that belongs to *span*, None where there is none that is seen above the noise."""
    reach = max(span[1] - span[0], _LOOK * track.size)
    low, high = max(bounds[0], span[0] - reach), min(bounds[1], span[1] + reach)
    while True:
        # No drift counts beside infinite noise: a loss that levels off is no ramp on a slope.
        own = fit_ramp(track.rows, low, high + 1, np.inf)
        if track.sides(own, _plateaus(track, own, bounds)).sigmas < _SEEN:
            return None
        apart = max(own[0] - span[1], span[0] - own[1])
        is_whole = min(own[0] - low, high - own[1]) >= (high + 1 - low) / BINS
        if is_whole and apart <= max(min(own[1] - own[0], span[1] - span[0]), track.size):
            return own
        if apart <= 0:
            return None
        # A larger change farther away hides what is near.
        low, high = (own[1], high) if own[1] < span[0] else (low, own[0])


def _plateaus(track: Track, span: Span, bounds: Span) -> Span:
    """Return from where to where, within *bounds*, the loss does nothing but what it does in *span*."""
    low, high = max(bounds[0], span[0] - NEAR * track.size), min(bounds[1], span[1] + NEAR * track.size)
    while ramp := _ramp_within(track, (low, span[0])):
        low = min(ramp[1], span[0] - _SHORTEST * track.size)
    while ramp := _ramp_within(track, (span[1], high)):
        high = max(ramp[0], span[1] + _SHORTEST * track.size)
    return low, high


def _ramp_within(track: Track, stretch: Span) -> Span | None:
    """Return the best ramp of the loss in a stretch of rows, None where it is too short or no more than a line."""
    first, last = track.whole_blocks(stretch)
    if last - first <= 2 * _SHORTEST:
        return None
    ramp, blocks = track.ramp(stretch, stretch), np.arange(first, last + 1)
    return ramp if track.beyond(ramp, blocks, np.vander(blocks - blocks.mean(), 2)) >= _SEEN else None
