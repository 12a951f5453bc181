"""What a sweep trains: the grid of its points, cut into tasks that do not depend on who runs them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import ceil, prod
from typing import Any

from ...dynamics.errors import SettingError
from ...dynamics.experiments.experiment import COLUMNS, ROWS, Experiment
from ...dynamics.training.at_rest import check_rest
from ...dynamics.training.on_population import UNUSED, is_exact
from .axes import Axis
from .tasks import SweepTask, Way

# Along these axes one ensemble has different values: the rows and the columns of its grid.
_SHARED = ("density", "importance_extra")
# How large a task is. On the population loss, whose arrays grow by three with each feature, a second or two of work: a
# thousand models of two features, a third of three. On samples so many numbers in a batch, which the caches hold.
_CORNERS, _NUMBERS = 9000, 2**17


@dataclass(frozen=True)
class Failure:
    """Points of a sweep that have no result: the range of each axis, and why."""

    points: dict[str, Any]
    reason: str

    def __str__(self) -> str:
        where = ", ".join(f"{name}={values}" for name, values in self.points.items())
        return f"{where}: {self.reason}" if where else self.reason


@dataclass(frozen=True)
class SweepPlan:
    """A sweep: one experiment without lists, the axes along which it varies, and *repeat* models at each point.

    way is what the models are trained on, recorded whether their trajectories are kept, rested whether the models are
    followed to the critical points next to them.
    """

    experiment: Experiment
    axes: tuple[Axis, ...]
    repeat: int
    way: Way
    recorded: bool = False
    rested: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """How many points there are along each axis."""
        return tuple(map(len, self.axes))

    @property
    def models(self) -> int:
        """How many models are trained, at all points."""
        return prod(self.shape) * self.repeat

    def __str__(self) -> str:
        points = "1 point" if prod(self.shape) == 1 else f"{prod(self.shape):,} points"
        models = "1 model" if self.models == 1 else f"{self.models:,} models"
        return f"{self.experiment.name}, {models} at {points}"

    def cut(self) -> tuple[list[SweepTask], list[Failure]]:
        """Return the tasks, and the points whose settings do not go together."""
        tasks, failures = [], []
        for place in self._places():
            try:
                ensemble = self._ensemble(place)
                if self.rested:
                    check_rest(ensemble)
                tasks.append(SweepTask(ensemble, place, self.way, self.recorded, self.rested))
            except SettingError as error:
                failures.append(Failure(self.points(place), str(error)))
        return tasks, failures

    def points(self, place: Sequence[slice]) -> dict[str, Any]:
        """Return the values that each axis has in a part of the grid, one value or "first … last"."""
        ranges = {axis.name: axis.values[part] for axis, part in zip(self.axes, place, strict=True)}
        return {name: each[0] if len(each) == 1 else f"{each[0]} … {each[-1]}" for name, each in ranges.items()}

    def _places(self) -> Iterator[tuple[slice, ...]]:
        """Cut the grid: along axes that an ensemble shares into parts that fit a task, along others into points."""
        room = max(1, self._models_per_task() // self.repeat)
        sizes = [1] * len(self.axes)
        # The last axis first, so that a task is a block of neighbouring rows.
        for k in reversed(range(len(self.axes))):
            if self.axes[k].name in _SHARED:
                # Parts as equal as can be.
                parts = ceil(len(self.axes[k]) / room)
                sizes[k] = ceil(len(self.axes[k]) / parts)
                room = max(1, room // sizes[k])
        cuts = [
            [slice(start, min(start + size, len(axis))) for start in range(0, len(axis), size)]
            for axis, size in zip(self.axes, sizes, strict=True)
        ]
        return product(*cuts)

    def _models_per_task(self) -> int:
        largest = {axis.name: max(axis.values) for axis in self.axes if axis.name in ("batch_size", "n_features")}
        sizes = self.experiment.settings | largest
        if self.way == "population":
            return _CORNERS // 3 ** sizes["n_features"]
        return max(1, _NUMBERS // (sizes["batch_size"] * sizes["n_features"]))

    def _ensemble(self, place: tuple[slice, ...]) -> Experiment:
        settings: dict[str, Any] = {"repeat": self.repeat}
        for axis, part in zip(self.axes, place, strict=True):
            values = axis.values[part]
            settings[axis.name] = values if axis.name in _SHARED else values[0]
        return self.experiment.with_settings(**settings)


def make_plan(
    experiment: Experiment,
    axes: Iterable[Axis] = (),
    *,
    repeat: int | None = None,
    way: Way | None = None,
    recorded: bool = False,
    rested: bool = False,
) -> SweepPlan:
    """Return the plan of a sweep over *axes* and over the experiment's own lists of densities and importances.

    repeat: how many models each point has, by default as many as the experiment. way: train on the exact "population"
    loss or on "samples"; by default on the population loss where it is exact at all points, final values are enough
    and no axis is a setting of the training on samples. recorded: keep the trajectories. rested: follow the models to
    rest, as at_rest() does.

    Raises SettingError for a way that is not open, and for lists and axes that do not go together.
    """
    base, own = split_lists(experiment)
    by_name = own | {axis.name: axis for axis in axes}
    if recorded and not {"steps", "every"}.isdisjoint(by_name):
        raise SettingError("trajectories over steps or every have different rows at each point; sweep without --record")
    if recorded and rested:
        raise SettingError("models are followed to rest from where they end; sweep without --record, or with --no-rest")
    plan = SweepPlan(base, tuple(by_name.values()), repeat or experiment.repeat, "population", recorded, rested)
    tasks, failures = plan.cut()
    if not tasks:
        raise SettingError(failures[0].reason)
    unused = [name for name in by_name if name in UNUSED]
    can = not recorded and not unused and all(is_exact(task.experiment) for task in tasks)
    if way == "population" and not can:
        why = f"{unused[0]} means nothing to it" if unused else "it takes small models, and gives final values only"
        raise SettingError(f"this sweep cannot train on the population loss: {why}; train on samples")
    return replace(plan, way=way or ("population" if can else "samples"))


def split_lists(experiment: Experiment) -> tuple[Experiment, dict[str, Axis]]:
    """Return an experiment of one model without lists, and an axis for each list that it had, without repetitions."""
    own = {key: value for key in (*ROWS, *COLUMNS) if isinstance(value := getattr(experiment, key), tuple)}
    first: dict[str, Any] = {key: values[0] for key, values in own.items()}
    base = replace(experiment, **first, n_instances=None, repeat=1)
    return base, {key: Axis(key, tuple(dict.fromkeys(values))) for key, values in own.items()}
