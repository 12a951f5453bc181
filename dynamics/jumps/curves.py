"""Smooth curves that look like jumps: drift that describes a change as well as plateaus and a ramp do."""

import numpy as np

from .sides import Sides
from .track import Span, Track, rest

# A change longer than this share of the run might be a curve; it is one where that fits better by so much noise².
_SMOOTH, _SMOOTH_GAIN = 0.03, 10.0
# Plateaus farther apart than this share of the steps might be one drift, which has to leave so many standard errors
# of the change: drift and noise were not seen to leave more than 3.5.
_APART, _LEFT_SIGMAS = 0.25, 5.0


def is_curve(track: Track, span: Span, bounds: Span, sides: Sides) -> bool:
    """Tell whether a smooth curve, over the rows or over the steps, may be what looks like a change."""
    return _curves_in_rows(track, span, bounds) or _drifts_in_steps(track, span, bounds, sides)


def _curves_in_rows(track: Track, span: Span, bounds: Span) -> bool:
    """Tell whether a cubic describes the change and what lies beside it better than plateaus and a ramp do."""
    begin, end = track.times(span)
    if end - begin <= _SMOOTH * len(track.blocks):
        return False
    first, last = track.whole_blocks(bounds)
    reach = 2 * (end - begin)
    blocks = np.arange(max(first, int(begin - reach)), min(last, int(end + reach)) + 1)
    y, t = track.blocks[blocks], np.linspace(-1, 1, blocks.size)
    plateaus, curve = np.stack([t**0, t, track.shape(span, blocks)], axis=1), np.vander(t, 4)
    gain = np.sum(rest(y, plateaus) ** 2) - np.sum(rest(y, curve) ** 2)
    return bool(gain > _SMOOTH_GAIN * track.noise**2)


def _drifts_in_steps(track: Track, span: Span, bounds: Span, sides: Sides) -> bool:
    """Tell whether plateaus far apart in steps are the slow drift of a cubic over the steps, as far as the noise tells.

    Steps that grow like powers leave so few rows to the last half of them that a slow drift looks like a ramp there.
    """
    step = track.block_step
    if step[sides.right].mean() - step[sides.left].mean() <= _APART * (step[-1] - step[0]):
        return False
    first, last = track.whole_blocks(bounds)
    blocks = np.arange(first, last + 1)
    t = np.interp(step[blocks], [step[first], step[last]], [-1, 1])
    return track.beyond(span, blocks, np.vander(t, 4)) < _LEFT_SIGMAS
