"""Pairs of jumps and a loss with a known answer: losses that fall by themselves, and drop where features jump."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from .trajectories import Plan, PlantedJump, Trajectory, plant, share_done

Course = Literal["exponential", "power law", "plateau"]

# A spike dies away by this factor from row to row, and lasts for so many.
_FADING, _LASTING = 0.4, 4


@dataclass(frozen=True)
class LossPlan:
    """What a loss does beside the jumps, and at them.

    L(t) = floor + height g(t / (scale T)) + what is left of the drops, where g(x) is exp(-x), 1 / (1 + x) or, on a
    plateau, 0. Each jump lowers the loss by *drop*, and raises it where that is negative. noise is the standard
    deviation of a row, as a share of L there; *spikes* is the share of rows at which the loss leaps by up to *spike*
    times itself, and comes back within four rows.
    """

    course: Course = "exponential"
    height: float = 1.0
    scale: float = 0.2
    floor: float = 0.1
    drop: float = 0.1
    noise: float = 0.01
    spikes: float = 0.0
    spike: float = 3.0


def plant_with_loss(plan: Plan, loss: LossPlan, seed: int = 0) -> Trajectory:
    """Return the jumps that plant() makes of *plan*, with another loss beside them.

    plan.lag counts, plan.loss_noise does not. The loss_change of a planted jump is the difference of the expected loss
    between the ends of the event; where the loss comes sooner or later, between the first and the last row of both.
    Raises SettingError where the events do not fit into the run.
    """
    planted = plant(plan, seed)
    rng = np.random.default_rng((seed, 1))
    rows = np.arange(plan.rows)
    expected = loss.floor + loss.height * _course(loss.course, rows / (loss.scale * plan.rows))
    ends = [tuple(np.searchsorted(planted.step, [jump.start, jump.end]) + plan.lag) for jump in planted.jumps]
    for start, end in ends:
        share = share_done(plan, start, end)
        expected = expected + (loss.drop * (1 - share) if loss.drop > 0 else -loss.drop * share)
    noisy = expected * (1 + loss.noise * rng.normal(size=plan.rows) + _spikes(loss, plan.rows, rng))
    jumps = tuple(_with_change(jump, planted.step, expected, plan.lag) for jump in planted.jumps)
    return replace(planted, loss=noisy, expected_loss=expected, jumps=jumps)


def _course(course: Course, x: np.ndarray) -> np.ndarray:
    courses = {"exponential": np.exp(-x), "power law": 1 / (1 + x), "plateau": np.zeros_like(x)}
    return courses[course]


def _spikes(loss: LossPlan, rows: int, rng: np.random.Generator) -> np.ndarray:
    """Return the spikes (T,) in units of the loss."""
    heights = np.where(rng.random(rows) < loss.spikes, loss.spike * rng.uniform(0.1, 1, rows), 0)
    return np.convolve(heights, _FADING ** np.arange(_LASTING))[:rows]


def _with_change(jump: PlantedJump, step: np.ndarray, expected: np.ndarray, lag: int) -> PlantedJump:
    first, last = _rows(step, (jump.start, jump.end), lag)
    return replace(jump, loss_change=float(expected[last] - expected[first]))


def _rows(step: np.ndarray, ends: Sequence[float], lag: int) -> tuple[int, int]:
    """Return the first and the last row of an event and of what comes *lag* rows later."""
    start, end = np.searchsorted(step, ends)
    return max(0, min(start, start + lag)), min(len(step) - 1, max(end, end + lag))
