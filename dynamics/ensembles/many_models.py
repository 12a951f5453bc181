"""What many models with the same settings do over training: when they jump, where their features rest, what they form.

The unit is the model. The features of one share its weights and its draws, so they are no independent observations:
every interval is over models, however many features or jumps each of them has.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from ..jumps.detection import Jump
from ..levels import LEVELS
from ..polytopes.identification import Polytope
from .gathering import FEWEST_ROWS, Gathered, Model
from .intervals import LEVEL, IntervalEstimate, mean_interval, mean_of, median_of, wilson

if TYPE_CHECKING:
    from .survival import Survival

# Short trajectories are compared with the levels together, since each comparison has its price: so many rows at a time.
_ROWS_TOGETHER = 1024


@dataclass(frozen=True, eq=False)
class Occupancy:
    """The share of the features at each of LEVELS over the steps, the mean over the models.

    For model i with c_il(t) of its n features at level l, mean (T, levels) is Σ_i c_il / (n k) over the k models; low
    and high are Student's interval for it. What is missing to 1 is between levels.
    """

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def at_end(self) -> dict[str, IntervalEstimate]:
        """Return the share at each level in the last row, by its number, such as ``1/2``."""
        ends = (values[-1].tolist() for values in (self.mean, self.low, self.high))
        return {
            level.label: IntervalEstimate(*each) for level, each in zip(LEVELS, zip(*ends, strict=True), strict=True)
        }


@dataclass(frozen=True)
class Formed:
    """How common a polytope is at the end: in which share of the *models*, and with which share of their *features*.

    The first has Wilson's interval, and the second, a mean over the models, Student's.
    """

    models: IntervalEstimate
    features: IntervalEstimate


@dataclass(frozen=True, eq=False)
class EnsembleDynamics:
    """The models at one point of a sweep, side by side.

    models is how many there are and failed how many more held nothing finite. step (T,) are the steps of the rows;
    jumps holds the jumps of each model, None where there are too few rows to see any; watched (models,) the last step
    before which nothing of a model was not finite. occupancy and polytopes are over those that are finite at that row.
    All intervals hold the truth in a share *level* of repetitions.
    """

    models: int
    failed: int
    step: np.ndarray
    jumps: tuple[tuple[Jump, ...], ...] | None
    watched: np.ndarray
    occupancy: Occupancy
    polytopes: dict[str, Formed]
    level: float

    @cached_property
    def jump_times(self) -> tuple[np.ndarray, ...]:
        """For each model the steps in the middle of its jumps, in order. Raises ValueError without trajectories."""
        return tuple(np.sort([(jump.start + jump.end) / 2 for jump in jumps]) for jumps in self._jumps)

    def jump_time(self, order: int = 1) -> "Survival":
        """Return the distribution of the step of the *order*-th jump, as the share of models that have not had it.

        A model that has not jumped so often is censored at the last step until which it was watched: it may do so
        later. Raises ValueError without trajectories, without models, and where *order* is less than 1.
        """
        from .survival import kaplan_meier

        if order < 1:
            raise ValueError(f"order={order}: the first jump is number 1")
        seen = np.array([len(times) >= order for times in self.jump_times], dtype=bool)
        time = [times[order - 1] if len(times) >= order else end for times, end in self._timed]
        return kaplan_meier(np.array(time, dtype=np.float64), seen, self.level)

    @cached_property
    def jumps_per_model(self) -> IntervalEstimate:
        """The number of jumps of a model until it was last watched, the mean with Student's interval.

        The number is a lower bound for a model that diverged, which might have jumped again, and so is the mean.
        """
        counts = np.array([len(jumps) for jumps in self._jumps], dtype=np.float64)
        return mean_of(counts, self.level, (0.0, np.inf))

    @cached_property
    def loss_drops(self) -> tuple[np.ndarray, ...]:
        """For each model, by how much the loss falls across each of its jumps; NaN where no change of it is its own."""
        return tuple(np.array([-jump.loss_change for jump in jumps]) for jumps in self._jumps)

    @cached_property
    def jump_sizes(self) -> tuple[np.ndarray, ...]:
        """For each model, how far the dimensionality goes that goes farthest, max |after - before|, in each jump."""
        return tuple(
            np.array([np.abs(jump.after - jump.before).max() for jump in jumps], dtype=np.float64)
            for jumps in self._jumps
        )

    @property
    def loss_drop(self) -> IntervalEstimate:
        """The median of the loss drops that are known, with an interval from a bootstrap over the models."""
        return median_of([drops[np.isfinite(drops)] for drops in self.loss_drops], self.level)

    @property
    def jump_size(self) -> IntervalEstimate:
        """The median of the jumps' sizes, with an interval from a bootstrap over the models."""
        return median_of(self.jump_sizes, self.level)

    @property
    def _jumps(self) -> tuple[tuple[Jump, ...], ...]:
        if self.jumps is None:
            raise ValueError(f"jumps need trajectories of {FEWEST_ROWS} rows or more, got {len(self.step)}")
        return self.jumps

    @property
    def _timed(self) -> Iterable[tuple[np.ndarray, float]]:
        return zip(self.jump_times, self.watched, strict=True)


def ensemble_dynamics(
    models: Iterable[Model],
    step: np.ndarray,
    level: float = LEVEL,
    *,
    is_told: Callable[[Model], bool] | None = None,
) -> EnsembleDynamics:
    """Return the jumps of all models, the occupancy of the levels over the steps, and the polytopes at the end.

    The models are taken one by one, or a few where they have few rows, so that an iterator which reads them holds no
    more of them in memory. Each is watched until a value of it is not finite; one that is not finite in the first row
    has failed.

    is_told says of a model whether it is beyond chance; one that is not counts as one without jumps, at no level, whose
    features are *as random directions*. By default all are told.

    Shapes: as in Model, with the same T, n and m for all; step (T,). Raises ValueError where a model has another number
    of rows than *step*, and what detect_jumps() and identify() raise.
    Source: Toy Models of Superposition, "Superposition and Learning Dynamics", discrete energy level jumps.
    """
    steps = np.asarray(step)
    gathered, left, features = Gathered(steps, is_told=is_told), iter(models), 0
    while together := list(islice(left, max(1, _ROWS_TOGETHER // max(1, len(steps))))):
        gathered.add(together)
        features = together[0].W.shape[1]
    watched, shares = gathered.watched, gathered.shares
    low, high = mean_interval(shares.mean, shares.deviation(1), shares.count[:, None], level, (0.0, 1.0))
    ends = [_shares_by_name(model.polytopes, features) for model in watched if model.polytopes is not None]
    return EnsembleDynamics(
        models=len(watched),
        failed=len(gathered.models) - len(watched),
        step=steps,
        jumps=tuple(model.jumps for model in watched) if len(steps) >= FEWEST_ROWS else None,
        watched=np.array([model.until for model in watched]),
        occupancy=Occupancy(shares.mean, low, high),
        polytopes=_formed(ends, level),
        level=level,
    )


def _shares_by_name(polytopes: Sequence[Polytope], features: int) -> dict[str, float]:
    """Return the share of the features in polytopes of each name."""
    shares: dict[str, float] = {}
    for polytope in polytopes:
        shares[polytope.name] = shares.get(polytope.name, 0.0) + len(polytope.features) / features
    return shares


def _formed(ends: Sequence[dict[str, float]], level: float) -> dict[str, Formed]:
    """Return how common each polytope is, that with the most features first."""
    formed = {}
    for name in sorted({name for end in ends for name in end}):
        shares = np.array([end.get(name, 0.0) for end in ends])
        share = float(np.mean(shares > 0))
        models = IntervalEstimate(share, *(float(bound) for bound in wilson(share, len(ends), level)))
        formed[name] = Formed(models, mean_of(shares, level, (0.0, 1.0)))
    return dict(sorted(formed.items(), key=lambda pair: -pair[1].features.value))
