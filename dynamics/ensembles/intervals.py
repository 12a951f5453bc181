"""How sure a number is that was measured on some models: intervals in which no two features count as two models."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log2
from statistics import NormalDist
from typing import Any

import numpy as np

LEVEL = 0.95
_DRAWS = 1000


@dataclass(frozen=True)
class IntervalEstimate:
    """A number and its confidence interval from low to high; NaN where too few models say how sure it is."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        if np.isnan(self.value):
            return "unknown"
        interval = "unknown" if np.isnan(self.low) or np.isnan(self.high) else f"{self.low:.3g} to {self.high:.3g}"
        return f"{self.value:.3g} ({interval})"

    def as_dict(self) -> dict[str, float | None]:
        """Return what JSON can hold; None for what is unknown or beyond the run."""
        numbers = {"value": self.value, "low": self.low, "high": self.high}
        return {name: number if np.isfinite(number) else None for name, number in numbers.items()}


def wilson(share: Any, count: Any, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """Return Wilson's interval for a probability of which *count* independent models showed a *share*.

    With s the share, k the count and z the normal quantile of (1 + level) / 2 it is

        (s + z² / 2k ± z √(s (1 - s) / k + z² / 4k²)) / (1 + z² / k),

    which lies within [0, 1] and has a width also where the share is 0 or 1. Shapes: share and count broadcast, and low
    and high have their shape.
    Source: Wilson, J. Am. Stat. Assoc. 22 (1927), 209.
    """
    s, k = np.asarray(share, dtype=np.float64), np.asarray(count, dtype=np.float64)
    z = NormalDist().inv_cdf((1 + level) / 2)
    middle = (s + z**2 / (2 * k)) / (1 + z**2 / k)
    half = z * np.sqrt(s * (1 - s) / k + z**2 / (4 * k**2)) / (1 + z**2 / k)
    # Rounding would leave 1e-17 where a share of nothing has to begin at 0.
    return np.where(s == 0, 0.0, middle - half), np.where(s == 1, 1.0, middle + half)


def mean_interval(
    mean: Any, deviation: Any, count: Any, level: float = LEVEL, bounds: tuple[float, float] = (-np.inf, np.inf)
) -> tuple[np.ndarray, np.ndarray]:
    """Return Student's interval for a mean over *count* models, cut off at the *bounds* of what can be.

    It is mean ± t s / √k, with s the *deviation* of the sample, Σ (x - mean)² / (k - 1) squared, and t the quantile of
    (1 + level) / 2 with k - 1 degrees of freedom; NaN for a single model. Shapes: all broadcast.
    """
    from scipy.special import stdtrit

    k = np.asarray(count, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        half = np.where(k > 1, stdtrit(k - 1, (1 + level) / 2) * deviation / np.sqrt(k), np.nan)
    return np.clip(mean - half, *bounds), np.clip(mean + half, *bounds)


def mean_of(
    samples: np.ndarray, level: float = LEVEL, bounds: tuple[float, float] = (-np.inf, np.inf)
) -> IntervalEstimate:
    """Return the mean of one number from each model, (k,), with Student's interval; NaN without models.

    Of fewer models than fewest_for() says that are all alike, the interval is NaN: what spread there is was not seen.
    """
    k = len(samples)
    if not k:
        return IntervalEstimate(np.nan, np.nan, np.nan)
    mean, deviation = float(np.mean(samples)), float(np.std(samples, ddof=1)) if k > 1 else np.nan
    if deviation == 0 and k < fewest_for(level):
        return IntervalEstimate(mean, np.nan, np.nan)
    low, high = mean_interval(mean, deviation, k, level, bounds)
    return IntervalEstimate(mean, float(low), float(high))


def median_of(groups: Sequence[np.ndarray], level: float = LEVEL) -> IntervalEstimate:
    """Return the median of the values of all models together, with an interval from a bootstrap over the models.

    *groups* holds the values of each model, as many as it has. A model is drawn, with replacement, with all its values,
    because they are not independent of each other; the interval leaves out (1 - level) / 2 of a thousand such medians
    at either side. The median is the least value that half of the values do not exceed. Models without values say
    nothing of it and are not drawn. NaN without values, and the interval is NaN for fewer models with values than
    fewest_for() says. The draws are the same each time.
    """
    valued = [np.asarray(group, dtype=np.float64) for group in groups if len(group)]
    if not valued:
        return IntervalEstimate(np.nan, np.nan, np.nan)
    values, k = np.concatenate(valued), len(valued)
    order = np.argsort(values)
    value = _weighted_medians(values[order], np.ones((1, len(values)))).item()
    if k < fewest_for(level):
        return IntervalEstimate(value, np.nan, np.nan)
    owner = np.repeat(np.arange(k), [len(group) for group in valued])[order]
    drawn = np.random.default_rng(0).multinomial(k, np.full(k, 1 / k), _DRAWS)
    medians = _weighted_medians(values[order], drawn[:, owner])
    low, high = np.quantile(medians, [(1 - level) / 2, (1 + level) / 2])
    return IntervalEstimate(value, low.item(), high.item())


def fewest_for(level: float) -> int:
    """Return the fewest independent values whose range holds their median with probability *level*; six for 95 %.

    All k of them lie on one side of it with probability 2 · 2^-k, so that the widest interval they can give holds it
    with 1 - 2 · 2^-k: 93.75 % for five.
    """
    return ceil(1 - log2(1 - level))


def _weighted_medians(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the median of sorted *values* (N,) under each row of *weights* (draws, N), (draws,)."""
    running = np.cumsum(weights, axis=1)
    return values[(running >= running[:, -1:] / 2).argmax(axis=1)]
