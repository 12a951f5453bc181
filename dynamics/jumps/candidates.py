"""Where a signal may change: pairs of its line segments that could be two plateaus with a jump between them."""

import numpy as np

from .segments import Lines
from .sides import NEAR

# Longer changes, as a share of the run, are drift: in the ramp that fits best, and from plateau to plateau.
LONGEST, _LONGEST_WITH_TAILS = 0.15, 0.25
# How much a plateau may drift while the signal changes, as a share of the change. What drifts by more than the change
# next to it is a part of it, and no plateau.
_STEADY = 1 / 3
# The least that is asked of a candidate, as a share of the smallest change, and in units of its noise: half of what
# is asked in the end, since a line segment is a rough plateau.
LEAST, _SIGMAS = 0.7, 4.0
# The shortest plateau beside a change, as a share of the change's length.
REST = 0.25

Span = tuple[int, int]


def candidates(lines: Lines, noise: float, smallest: float) -> list[Span]:
    """Return (a, b) for each candidate: the last row of one plateau and the first row of the next, in order of time.

    Two segments are plateaus about a change where they are long and steady beside it and differ significantly. Where
    candidates overlap, those with the fewest segments between them win. noise is the standard deviation of a row.
    """
    longest = _LONGEST_WITH_TAILS * (lines.last[-1] + 1)
    k, m = np.triu_indices(len(lines.first), 1)
    change = lines.begin[m] - lines.end[k]
    fits = _plausible(lines, (k, m), noise, smallest) & (lines.first[m] - lines.last[k] <= longest)
    order = np.lexsort((-np.abs(change), m - k))
    taken: list[tuple[int, int, float]] = []
    for pick in order[fits[order]]:
        a, b = int(lines.last[k[pick]]), int(lines.first[m[pick]])
        if all(b <= start or a >= stop for start, stop, _ in taken):
            taken.append((a, b, float(change[pick])))
    return _joined(sorted(taken), longest)


def _plausible(lines: Lines, pairs: tuple[np.ndarray, np.ndarray], noise: float, smallest: float) -> np.ndarray:
    """Tell of each pair of segments whether both are long and steady beside the change between them, and that sure."""
    k, m = pairs
    width = lines.first[m] - lines.last[k]
    size = np.abs(lines.begin[m] - lines.end[k])
    # The value at the end of a line is uncertain by twice as much as its mean.
    error = 2 * noise * np.hypot(lines.length[k] ** -0.5, lines.length[m] ** -0.5)
    drift = np.maximum(np.abs(lines.slope) - 2 * noise * np.sqrt(12 / (lines.length * (lines.length**2 - 1.0))), 0)
    beside = drift * np.minimum(lines.length, NEAR)
    return (
        (size >= np.maximum(LEAST * smallest, _SIGMAS * error))
        & (np.minimum(lines.length[k], lines.length[m]) >= REST * width)
        & (np.maximum(drift[k], drift[m]) * width <= _STEADY * size)
        & (np.maximum(beside[k], beside[m]) <= size)
    )


def _joined(found: list[tuple[int, int, float]], longest: float) -> list[Span]:
    """Join two changes of one direction that have no plateau between them worth the name."""
    joined = found[:1]
    for a, b, change in found[1:]:
        start, stop, former = joined[-1]
        is_one = change * former > 0 and a - stop <= REST * max(b - a, stop - start) and b - start <= longest
        if is_one:
            joined[-1] = (start, b, change + former)
        else:
            joined.append((a, b, change))
    return [(a, b) for a, b, _ in joined]
