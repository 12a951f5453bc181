"""The changes of single signals: each leads from one plateau to the next."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ..signals import Signal, stripes
from .blocks import Blocks, condense, fill, noise
from .candidates import LEAST, LONGEST, REST, candidates
from .curves import is_curve
from .segments import fit_lines, segment
from .sides import NEAR, Sides
from .track import Span, Track, between, block_steps

# Half the distance from 1/2 to 2/5; most energy levels lie farther apart.
SMALLEST = 0.05
# So many standard errors are asked of a run of one feature; see _needed_sigmas for many.
_SIGMAS = 6.0
# A change is larger than the wandering of the plateaus, however that is correlated.
_SPREADS = 2.5
# Noise finer than this share of the smallest change is not described.
_FINE = 0.05
# Fewer blocks hold no two plateaus.
_FEWEST = 6
# The drift of the plateaus accounts for no more than this share of the change between them.
_DRIFTED = 0.35
# A plateau has so many blocks.
_SHORTEST = 2
# The end of a line of least squares lies at most a third of the range of its values outside of them, so that two ends
# are no farther apart than this many ranges.
_FARTHEST = 5 / 3


@dataclass(frozen=True)
class FeatureChange:
    """A change of one feature, from the row start to the row end; sigmas is its size in units of its standard error.

    before and after are the values of the plateaus where the change begins and ends. start and end are uncertain by
    *blur* rows.
    """

    feature: int
    start: int
    end: int
    before: float
    after: float
    sigmas: float
    blur: float


def find_changes(signal: Signal, step: np.ndarray, smallest: float = SMALLEST) -> list[FeatureChange]:
    """Return the changes of *signal* of at least *smallest*, feature by feature, each in order of time.

    A change leads within 15 % of the run from one plateau to another, by six times its standard error or more (the
    more, the more features there are), and by more than twice what the drift of the plateaus would have made of it,
    over the rows or over the steps; and it is no smooth curve. One pass goes over the signal, stripe by stripe; all
    else works on about 500 block means. Values that are not finite are passed over.

    Shapes: signal (T, n), step (T,).
    """
    return [change for _, _, changes in changes_by_stripe(signal, step, smallest) for change in changes]


def changes_by_stripe(
    signal: Signal, step: np.ndarray, smallest: float
) -> Iterator[tuple[slice, np.ndarray, list[FeatureChange]]]:
    """Yield the columns of each stripe of *signal*, its values (T, k), and the changes in it as find_changes() does."""
    sigmas = _needed_sigmas(signal.shape[1])
    for columns, values in stripes(signal):
        found = _changes_within(values, step, smallest, sigmas)
        yield columns, values, [replace(change, feature=columns.start + change.feature) for change in found]


def _changes_within(signal: np.ndarray, step: np.ndarray, smallest: float, sigmas: float) -> list[FeatureChange]:
    """Return the changes of one stripe; *sigmas* is how sure each has to be."""
    blocks = condense(signal)
    if len(blocks.means) < _FEWEST:
        return []
    gaps = _with_gaps(signal, blocks)
    # One column after another, since filling takes a copy.
    for feature in gaps:
        blocks.means[:, feature] = condense(fill(signal[:, feature, None])).means[:, 0]
    scale = np.hypot(noise(blocks.means), _FINE * smallest)
    steps = block_steps(step, blocks)
    found = []
    # No two lines through what goes less far are plateaus about a change.
    far = np.flatnonzero(_FARTHEST * np.ptp(blocks.means, axis=0) >= LEAST * smallest)
    for feature, starts in zip(far.tolist(), segment(blocks.means[:, far], scale[far]), strict=True):
        y = blocks.means[:, feature]
        if spans := candidates(fit_lines(y, starts), scale[feature], smallest):
            rows = fill(signal[:, feature, None])[:, 0] if feature in gaps else signal[:, feature]
            track = Track(rows, y, blocks.size, step, steps, float(scale[feature]))
            found += _confirmed(track, feature, spans, smallest, sigmas)
    return found


def _with_gaps(signal: np.ndarray, blocks: Blocks) -> set[int]:
    """Return the features of which a value is not finite: its block shows it, or it lies behind the last one."""
    last = np.isfinite(signal[len(blocks.means) * blocks.size :]).all(axis=0)
    return {*np.flatnonzero(~(np.isfinite(blocks.means).all(axis=0) & last)).tolist()}


def _needed_sigmas(features: int) -> float:
    """Return the standard errors that chance reaches among so many *features* as rarely as _SIGMAS in one.

    That is n exp(-sigmas² / 2) = exp(-_SIGMAS² / 2), Bonferroni's correction for normal noise.
    """
    return float(np.sqrt(_SIGMAS**2 + 2 * np.log(max(features, 1))))


def _confirmed(
    track: Track, feature: int, candidates: list[Span], smallest: float, sigmas: float
) -> list[FeatureChange]:
    spans = _refined(track, [(a * track.size, (b + 1) * track.size - 1) for a, b in candidates])
    confirmed = []
    for span, bounds in zip(spans, between(spans, len(track.rows)), strict=True):
        sides = track.sides(span, bounds)
        if _is_change(track, span, sides, smallest, sigmas) and not is_curve(track, span, bounds, sides):
            # A ramp is known as far as the mean of its rows is, over its slope; a step to the row.
            blur = 1 + 2 * track.noise * np.sqrt(track.size * (span[1] - span[0])) / sides.size
            confirmed.append(FeatureChange(feature, *span, sides.before, sides.after, float(sides.sigmas), float(blur)))
    return confirmed


def _refined(track: Track, spans: list[Span]) -> list[Span]:
    """Return the ramps that fit best about *spans*; two that turn out to overlap are one."""
    while True:
        ramps = [track.ramp(*each) for each in zip(spans, between(spans, len(track.rows)), strict=True)]
        clash = next((k for k in range(1, len(ramps)) if ramps[k][0] < ramps[k - 1][1]), 0)
        if not clash:
            return ramps
        spans = [*spans[: clash - 1], (spans[clash - 1][0], spans[clash][1]), *spans[clash + 1 :]]


def _is_change(track: Track, span: Span, sides: Sides, smallest: float, sigmas: float) -> bool:
    width = (span[1] - span[0]) / track.size
    return (
        sides.size >= max(smallest, _SPREADS * sides.spread)
        and sides.sigmas >= sigmas
        and sides.drifted * np.sign(sides.after - sides.before) <= _DRIFTED * sides.size
        and width <= LONGEST * len(track.blocks)
        and min(sides.left.size, sides.right.size) >= max(_SHORTEST, min(REST * width, NEAR))
    )
