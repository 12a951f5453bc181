"""How far a signal goes that only wanders: what a change within some rows has to be larger than."""

import math

import numpy as np

from .laws import log_beta

# Of a run of T rows so many places and lengths of a change over n rows count as tried, in units of T / n.
_PLACES = 16


def log_chance_of_change(values: np.ndarray, first: int, last: int, change: float) -> float:
    """Return the logarithm of the chance that a signal which wanders changes as far as *change* between two rows.

    It is set against its own changes over as many rows, n = last - first, everywhere else: z = |change| / √(mean of
    their squares). Of a signal with normal steps, remembered or not, z has Student's distribution with as many degrees
    of freedom ν as there are other stretches of n rows, (T - n) / n - 2, so that z² / (ν + z²) has that of a squared
    cosine in ν + 1 dimensions; 16 T / n places are allowed for. Where ν is below 1 nothing is beyond chance, and where
    nothing changes elsewhere everything is. A few steps far larger than the others are no wandering.

    Shapes: values (T,), finite; 0 ≤ first < last < T.
    """
    n = last - first
    changes = values[n:] - values[:-n]
    begins = np.arange(len(changes))
    elsewhere = changes[(begins + n <= first) | (begins >= last)]
    freedom = (len(values) - n) / n - 2
    if freedom < 1 or not elsewhere.size:
        return 0.0
    spread = float(np.sqrt(np.square(elsewhere).mean()))
    if not spread:
        return -math.inf if change else 0.0
    square = (change / spread) ** 2
    return min(0.0, math.log(_PLACES * len(values) / n) + log_beta(freedom / (freedom + square), freedom / 2, 0.5))
