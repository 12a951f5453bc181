"""The changes of single signals: each leads from one plateau to the next."""

from dataclasses import dataclass

import numpy as np

from .blocks import condense, fill, noise
from .candidates import LONGEST, REST, candidates
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


@dataclass(frozen=True)
class Change:
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


def find_changes(signal: np.ndarray, step: np.ndarray, smallest: float = SMALLEST) -> list[Change]:
    """Return the changes of *signal* of at least *smallest*, feature by feature, each in order of time.

    A change leads within 15 % of the run from one plateau to another, by six times its standard error or more (the
    more, the more features there are), and by more than twice what the drift of the plateaus would have made of it,
    over the rows or over the steps; and it is no smooth curve. One pass goes over the signal; all else works on about
    500 block means. Values that are not finite are passed over.

    Shapes: signal (T, n), step (T,).
    """
    blocks = condense(signal)
    if not np.isfinite(blocks.means).all():
        signal = fill(signal)
        blocks = condense(signal)
    if len(blocks.means) < _FEWEST:
        return []
    scale = np.hypot(noise(blocks.means), _FINE * smallest)
    steps = block_steps(step, blocks)
    sigmas = _needed_sigmas(signal.shape[1])
    found = []
    for feature, starts in enumerate(segment(blocks.means, scale)):
        y = blocks.means[:, feature]
        spans = candidates(fit_lines(y, starts), scale[feature], smallest)
        track = Track(signal[:, feature], y, blocks.size, step, steps, float(scale[feature]))
        found += _confirmed(track, feature, spans, smallest, sigmas)
    return found


def _needed_sigmas(features: int) -> float:
    """Return the standard errors that chance reaches among so many *features* as rarely as _SIGMAS in one.

    That is n exp(-sigmas² / 2) = exp(-_SIGMAS² / 2), Bonferroni's correction for normal noise.
    """
    return float(np.sqrt(_SIGMAS**2 + 2 * np.log(max(features, 1))))


def _confirmed(track: Track, feature: int, candidates: list[Span], smallest: float, sigmas: float) -> list[Change]:
    spans = _refined(track, [(a * track.size, (b + 1) * track.size - 1) for a, b in candidates])
    confirmed = []
    for span, bounds in zip(spans, between(spans, len(track.rows)), strict=True):
        sides = track.sides(span, bounds)
        if _is_change(track, span, sides, smallest, sigmas) and not is_curve(track, span, bounds, sides):
            # A ramp is known as far as the mean of its rows is, over its slope; a step to the row.
            blur = 1 + 2 * track.noise * np.sqrt(track.size * (span[1] - span[0])) / sides.size
            confirmed.append(Change(feature, *span, sides.before, sides.after, float(sides.sigmas), float(blur)))
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
