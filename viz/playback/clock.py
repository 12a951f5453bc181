"""The clock of a movie: which step of training each frame shows."""

from collections.abc import Sequence

import numpy as np

from ...dynamics.errors import unknown_name
from .footage import Footage, Look

CLOCKS = ("motion", "step", "log")
# What the time of a movie goes by, as shares of it: the steps, the way that the features go, and the events, of which
# each gets as much as any other. So nothing happens in a blink, what is named can be read, and plateaus pass quickly.
_STEPS, _MOTION, _EVENTS = 0.15, 0.4, 0.45
# So many times the median way of a stretch may be jitter.
_JITTER = 2.0
# The clock changes its pace within this fraction of the movie.
_EASE = 0.04


def steps_of_frames(runs: Sequence[Footage], frames: int, clock: str = "motion") -> np.ndarray:
    """Return the step that each frame shows, rising from the first step of the runs to their last; (frames,) float.

    *clock* says what time goes by: ``step``, the steps; ``log``, the logarithm of the steps since the first;
    ``motion``, mostly the way that the features go, s = Σ |ΔP W|, beyond their jitter, and the regimes and jumps, each
    of which gets its time. Of several runs all motion and all events count. Raises SettingError for another name.
    """
    if clock not in CLOCKS:
        raise unknown_name("clock", clock, CLOCKS)
    first = min(float(run.step[0]) for run in runs)
    last = max(float(run.last_step) for run in runs)
    even = np.linspace(0, 1, frames)
    if clock == "step" or last == first:
        steps = first + even * (last - first)
    elif clock == "log":
        steps = first + np.expm1(even * np.log1p(last - first))
    else:
        steps = _eased(_by_what_happens(runs, even, first, last))
    # Whatever was lost in rounding.
    steps[[0, -1]] = first, last
    return steps


def _by_what_happens(runs: Sequence[Footage], even: np.ndarray, first: float, last: float) -> np.ndarray:
    """Return the steps at evenly spread times of a clock that goes by steps, motion and events."""
    ticks = np.unique(np.concatenate([[first, last], *(_ticks(run) for run in runs)]))
    # What comes after a run diverged is not shown.
    ticks = ticks[ticks <= last]
    motion = np.sum([_travelled(run.looks, ticks) for run in runs], axis=0)
    events = np.sum([_through_events(run, ticks) for run in runs], axis=0)
    # Where nothing moves, or nothing is named, the others have the time.
    ways = [
        (share, way) for share, way in ((_STEPS, ticks - first), (_MOTION, motion), (_EVENTS, events)) if way[-1] > 0
    ]
    time = np.sum([share * way / way[-1] for share, way in ways], axis=0)
    return np.interp(even * time[-1], time, ticks)


def _ticks(run: Footage) -> np.ndarray:
    """Return the steps between which time goes evenly."""
    return np.concatenate([run.looks.step, *(np.array(event) for event in _events(run))]).astype(float)


def _events(run: Footage) -> list[tuple[float, float]]:
    """Return from where to where each regime and each jump goes."""
    spans = [*(run.story.regimes or ()), *run.story.jumps]
    return [(span.start, span.end) for span in spans]


def _travelled(looks: Look, ticks: np.ndarray) -> np.ndarray:
    """Return the way that the features have gone at each tick."""
    if len(looks.step) < 2:
        return np.zeros(len(ticks))
    ways = np.linalg.norm(np.diff(looks.points, axis=0), axis=(1, 2))
    # A run that diverges goes no way that could be followed.
    ways = np.where(np.isfinite(ways), ways, 0.0)
    even = looks.is_even.nonzero()[0]
    stretches = np.add.reduceat(ways, even[:-1])
    # Noise goes back and forth. What counts is what goes farther than noise does in a typical stretch of the run.
    kept = np.maximum(stretches - _JITTER * np.median(stretches), 0) / np.where(stretches > 0, stretches, 1)
    ways = ways * np.repeat(kept, np.diff(even))
    return np.interp(ticks, looks.step, np.concatenate([[0.0], np.cumsum(ways)]))


def _through_events(run: Footage, ticks: np.ndarray) -> np.ndarray:
    """Return how many events have passed at each tick, one that is under way by its share."""
    passed = [np.clip((ticks - start) / max(end - start, 1), 0, 1) for start, end in _events(run)]
    return np.sum(passed, axis=0) if passed else np.zeros(len(ticks))


def _eased(steps: np.ndarray) -> np.ndarray:
    """Return the same course with its changes of pace drawn out; it rises as before and keeps its ends."""
    reach = int(_EASE * len(steps) / 2)
    if reach < 1:
        return steps
    window = np.hanning(2 * reach + 3)[1:-1]
    before, after = 2 * steps[0] - steps[reach:0:-1], 2 * steps[-1] - steps[-2 : -reach - 2 : -1]
    return np.convolve(np.concatenate([before, steps, after]), window / window.sum(), mode="valid")
