"""Jumps between energy levels: which features, from where to where, when, and what the loss does meanwhile."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..signals import Signal, checked_series, checked_signal, checked_step
from .changes import SMALLEST, FeatureChange, find_changes
from .loss_match import LossChange, match_loss


@dataclass(frozen=True, eq=False)
class Jump:
    """One event: the features that leave their plateaus for others at the same time, between the steps start and end.

    features are in order; before, after and sigmas (k,) hold for each of them the values of its plateaus where its
    change begins and ends, and the size of the change in units of its standard error.

    loss_change is the loss at the end of the event less that at its start, both without noise; where the loss has a
    ramp of its own near the event, that is within the two ends. loss_error is its standard error, loss_sigmas its size
    in units of that, and loss_factor how many times as large the loss is at the end, NaN where it may be 0 or less at
    one of them. loss_lag tells how many steps later than the features the loss changes; it is negative where the loss
    leads, and NaN where no change of the loss near the event is its own. All five are NaN without a loss.
    """

    start: int | float
    end: int | float
    features: tuple[int, ...]
    before: np.ndarray
    after: np.ndarray
    sigmas: np.ndarray
    loss_change: float
    loss_sigmas: float
    loss_lag: float
    loss_error: float = np.nan
    loss_factor: float = np.nan

    @property
    def sharpness(self) -> float:
        """The largest change of a feature by step, |after - before| / (end - start)."""
        return float(np.abs(self.after - self.before).max() / (self.end - self.start))


def detect_jumps(
    dimensionality: Signal | np.ndarray,
    loss: np.ndarray | None = None,
    step: np.ndarray | None = None,
    *,
    smallest: float = SMALLEST,
) -> list[Jump]:
    """Return the jumps of any signal of features over training, in order of time.

    A feature jumps where it goes within 15 % of the run from one plateau to another, by *smallest* or more and by at
    least √(36 + 2 ln n) standard errors; plateaus may drift slowly, and slow drift is no jump. start and end are those
    of the ramp that fits best. Jumps that overlap in time, as far as their times are known, are one. The time is one
    pass over the signal; one that is read when it is sliced is never in memory as a whole (see stripes.stripes).

    Shapes: dimensionality (T, n), also norms or any other signal; loss (T,), also of minibatches; step (T,) increasing,
    by default the row. Values that are not finite are passed over. Units: *smallest* is in those of the signal.
    Raises ValueError where a shape is wrong or the steps do not increase.
    Source: Toy Models of Superposition, "Discrete Energy Level Jumps".
    """
    signal = checked_signal(dimensionality)
    rows = signal.shape[0]
    steps = checked_step(step, rows)
    losses = np.full(rows, np.nan) if loss is None else checked_series("loss", loss, rows)
    events = _events(find_changes(signal, steps, smallest))
    spans = [_span(event) for event in events]
    changes = match_loss(losses, steps, spans)
    return [_jump(*each, steps) for each in zip(events, spans, changes, strict=True)]


def _events(changes: Sequence[FeatureChange]) -> list[list[FeatureChange]]:
    """Return the changes in groups that overlap in time, each change being as long as it could be."""
    events: list[list[FeatureChange]] = []
    end = -np.inf
    for change in sorted(changes, key=lambda change: change.start - change.blur):
        if change.start - change.blur <= end:
            events[-1].append(change)
        else:
            events.append([change])
            end = -np.inf
        end = max(end, change.end + change.blur)
    return events


def _span(event: Sequence[FeatureChange]) -> tuple[int, int]:
    """Return the rows at which an event starts and ends.

    They are the means over the features, the surest weighing most, unless a feature has surely started before or ended
    after: the extremes of many uncertain times are farther apart than the times are.
    """
    start, end, blur = np.array([(change.start, change.end, change.blur) for change in event]).T
    first = min(np.average(start, weights=blur**-2.0), (start + 2 * blur).min())
    last = max(np.average(end, weights=blur**-2.0), (end - 2 * blur).max())
    return round(first), max(round(last), round(first) + 1)


def _jump(event: Sequence[FeatureChange], span: tuple[int, int], loss: LossChange, step: np.ndarray) -> Jump:
    features = tuple(sorted({change.feature for change in event}))
    # A feature that moves twice within one event is told by where it came from and where it went.
    moves = [sorted((c for c in event if c.feature == feature), key=lambda c: c.start) for feature in features]
    return Jump(
        start=step[span[0]].item(),
        end=step[span[1]].item(),
        features=features,
        before=np.array([move[0].before for move in moves]),
        after=np.array([move[-1].after for move in moves]),
        sigmas=np.array([max(change.sigmas for change in move) for move in moves]),
        loss_change=loss.change,
        loss_sigmas=loss.sigmas,
        loss_lag=loss.lag,
        loss_error=loss.error,
        loss_factor=loss.factor,
    )
