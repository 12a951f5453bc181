"""What the loss does while features jump: how far it drops, how surely, and how much sooner or later."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .blocks import condense, fill, noise
from .track import Span, Track, between, block_steps

# The loss tells when it changed where it changed by so many standard errors.
_TIMED = 5.0
# Differences smaller than this share of the loss are rounding.
_ROUNDING = 1e-12


class LossChange(NamedTuple):
    """The change of the loss across a jump, in units of its standard error too; lag is in steps.

    The lag is from the middle of the jump to the middle of the loss's own ramp, negative where the loss leads, and NaN
    where the loss changes too little to tell. All three are NaN where there is no loss.
    """

    change: float
    sigmas: float
    lag: float


def match_loss(loss: np.ndarray, step: np.ndarray, spans: Sequence[Span]) -> list[LossChange]:
    """Return what *loss* does across each of *spans*, rows in order of time that do not overlap.

    The loss is compared between the plateaus on both sides of the jump and of the loss's own ramp, none of which
    reaches into a neighbouring jump. Its noise is measured about these plateaus, with its correlation from row to row.

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
    own = track.ramp(span, bounds)
    if track.sides(own, bounds).sigmas >= _TIMED:
        lag = float(track.step[list(own)].mean() - track.step[list(span)].mean())
        sides = track.sides((min(span[0], own[0]), max(span[1], own[1])), bounds)
    else:
        lag, sides = float("nan"), track.sides(span, bounds)
    return LossChange(sides.after - sides.before, float(sides.sigmas), lag)
