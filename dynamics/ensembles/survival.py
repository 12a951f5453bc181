"""When something happens to models that are watched for a limited time: it may not have happened yet at the end."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from .intervals import LEVEL, IntervalEstimate, wilson


@dataclass(frozen=True, eq=False)
class Survival:
    """The share of *models* to which an event has not happened yet, by Kaplan and Meier's estimate.

    share, low and high (J,) hold from each *time* (J,) to the next; the first time is 0, with share 1, the others are
    those of events. end is how long anybody was watched, and happened how many models the event was seen in.
    """

    time: np.ndarray
    share: np.ndarray
    low: np.ndarray
    high: np.ndarray
    end: float
    models: int
    happened: int

    def at(self, time: float) -> IntervalEstimate:
        """Return the share to which it has not happened by *time*; NaN beyond the end."""
        if not 0 <= time <= self.end:
            return IntervalEstimate(np.nan, np.nan, np.nan)
        row = int(np.searchsorted(self.time, time, side="right")) - 1
        return IntervalEstimate(float(self.share[row]), float(self.low[row]), float(self.high[row]))

    @property
    def median(self) -> IntervalEstimate:
        """The time by which it has happened to half of the models, with the times at which the band crosses a half.

        A number is infinite where that time lies beyond the end.
        Source: Brookmeyer and Crowley, Biometrics 38 (1982), 29.
        """
        return IntervalEstimate(*(self._first(values) for values in (self.share, self.low, self.high)))

    def _first(self, values: np.ndarray) -> float:
        # A product of shares may miss the half by a rounding.
        below = np.flatnonzero(values <= 0.5 + 1e-12)
        return float(self.time[below[0]]) if below.size else np.inf


def kaplan_meier(time: Any, happened: Any, level: float = LEVEL) -> Survival:
    """Return the survival function S(t) of an event from the *time* at which it happened, or until which it had not.

    Models to which it has not happened are censored: all that is known is that it happens later. With d_j events at
    time t_j among the n_j models that were still watched just before,

        S(t) = ∏_{t_j <= t} (1 - d_j / n_j),    Var S ≈ S² σ²,  σ² = Σ_{t_j <= t} d_j / (n_j (n_j - d_j))  (Greenwood).

    The band is pointwise: Wilson's interval for the number of models that would give the same variance had all been
    watched to the end, k = (1 - S) / (S σ²), which is the number of models as long as none is censored earlier. Where S
    is 1, k is the number watched at the first event; where it is 0, that before. So the band has a width there too.
    Where there was no event at all k is the number of models, also of those watched for a short time only: the band
    then holds what as many models say that were all watched to the end, and is too narrow where many were not.

    Shapes: time (k,) not negative, happened (k,) bool. Models are independent of each other, and what ends the watching
    must have nothing to do with the event. Raises ValueError where the shapes differ, there is no model, or a time is
    negative or not finite.
    Source: Kaplan and Meier, J. Am. Stat. Assoc. 53 (1958), 457; the band: Rothman, J. Chronic Dis. 31 (1978), 557.
    """
    times, seen = np.asarray(time, dtype=np.float64), np.asarray(happened, dtype=bool)
    if times.ndim != 1 or times.shape != seen.shape or not len(times):
        raise ValueError(f"time and happened must be (k,), one each for a model, got {times.shape} and {seen.shape}")
    if not (np.isfinite(times) & (times >= 0)).all():
        raise ValueError(f"time must be finite and not negative, got {times.min()} to {times.max()}")
    at, d = np.unique(times[seen], return_counts=True)
    n = np.array([(times >= each).sum() for each in at])
    share = np.cumprod(1 - d / n)
    alive = share > 0
    spread = np.cumsum(d[alive] / (n[alive] * (n[alive] - d[alive])))
    first = n[0] if len(n) else len(times)
    count = np.concatenate([[first], (1 - share[alive]) / (share[alive] * spread)])
    count = np.append(count, count[-1:].repeat(len(share) - alive.sum()))
    share = np.concatenate([[1.0], share])
    low, high = wilson(share, count, level)
    return Survival(np.concatenate([[0.0], at]), share, low, high, float(times.max()), len(times), int(seen.sum()))
