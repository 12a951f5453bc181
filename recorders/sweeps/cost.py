"""What a sweep will take: models, tasks, seconds and bytes, before anything is trained."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from time import perf_counter

from joblib import cpu_count

from ...dynamics.experiments.experiment import Experiment
from ...dynamics.landscape.derivatives import LossPoint
from ...dynamics.landscape.surfaces import PopulationSurface
from ...dynamics.training.at_rest import BLUR
from ...dynamics.training.evaluation import evaluation_of
from ...dynamics.training.loop import build_model
from ...dynamics.training.on_population import steps_of, train_on_population
from ..experiment import one_thread
from ..text import readable
from ..writing.cost import free_bytes
from .plan import SweepPlan
from .run import keep_freed_memory
from .tasks import SweepTask, training_of

# So many tasks, spread over the sweep, are tried for as many seconds each; on the population loss for so many steps.
_TRIED, _SECONDS, _STEPS = 3, 0.3, 5
# So many Hessians a model takes to come to rest, as seen in the census.
_HESSIANS = 5
# What a worker takes to start, in seconds.
_START = 3.0


@dataclass(frozen=True)
class SweepPrice:
    """What a sweep takes: seconds are those of all tasks on so many workers, estimated from a short piece of some.

    total_bytes is the result; the tasks leave as much beside it until it is made.
    """

    models: int
    tasks: int
    workers: int
    seconds: float
    total_bytes: int
    free_bytes: int

    @property
    def fits(self) -> bool:
        """Whether the disk has room for the result and for what the tasks leave."""
        return 2 * self.total_bytes <= self.free_bytes

    def __str__(self) -> str:
        workers = "1 worker" if self.workers == 1 else f"{self.workers} workers"
        tasks = "1 task" if self.tasks == 1 else f"{self.tasks:,} tasks"
        return (
            f"{self.models:,} models in {tasks}, about {_duration(self.seconds)} on {workers}; "
            f"{readable(self.total_bytes)} in all, and as much again while it runs; "
            f"{readable(self.free_bytes)} free, it {'fits' if self.fits else 'DOES NOT FIT'}"
        )


def price_sweep(plan: SweepPlan, path: Path, *, workers: int | None = None) -> SweepPrice:
    """Return what a sweep into the file at *path* would take, having trained a short piece of a few of its tasks."""
    tasks, _ = plan.cut()
    models = plan.models
    busy = min(workers or cpu_count(), len(tasks))
    chosen = [tasks[k * (len(tasks) - 1) // max(1, _TRIED - 1)] for k in range(_TRIED)] if len(tasks) > 1 else tasks
    keep_freed_memory()
    with one_thread():
        seconds = mean(map(_seconds, _distinct(chosen)))
    rounds = -(-len(tasks) // busy)
    largest = max(map(_bytes_of_model, _distinct([*chosen, *_largest(tasks)])))
    return SweepPrice(models, len(tasks), busy, _START + seconds * rounds, largest * models, free_bytes(path))


def _distinct(tasks: Sequence[SweepTask]) -> list[SweepTask]:
    return list({task.name: task for task in tasks}.values())


def _largest(tasks: Sequence[SweepTask]) -> list[SweepTask]:
    """Return the task with the largest models: in the result the others are padded to their size."""
    return [max(tasks, key=lambda task: (task.experiment.n_features, task.experiment.n_hidden, task.experiment.steps))]


def _seconds(task: SweepTask) -> float:
    """Return how long a task will take, from its first steps and, where its models go to rest, one Hessian."""
    return _seconds_of_training(task) + (_seconds_to_rest(task.experiment) if task.rested else 0)


def _seconds_to_rest(experiment: Experiment) -> float:
    model = build_model(experiment.member(0).with_settings(device="cpu"))
    loss, first = PopulationSurface.of(experiment, blur=BLUR), [p.detach().numpy() for p in model.parameters()]
    # The first one finds its memory.
    LossPoint(loss, first)
    began = perf_counter()
    LossPoint(loss, first).hessian()
    return (perf_counter() - began) * _HESSIANS * (experiment.n_instances or 1)


def _seconds_of_training(task: SweepTask) -> float:
    if task.way == "population":
        began = perf_counter()
        train_on_population(task.experiment, steps=_STEPS)
        return (perf_counter() - began) / _STEPS * steps_of(task.experiment)
    training = training_of(task.experiment)
    steps = iter(training)
    # The first one finds its memory.
    next(steps, None)
    began, passed, taken = perf_counter(), 0.0, 0
    for _ in steps:
        passed, taken = perf_counter() - began, taken + 1
        if passed >= _SECONDS:
            break
    return passed / max(1, taken) * len(training)


def _bytes_of_model(task: SweepTask) -> int:
    """Return how many bytes of the result one model of a task is, all its rows."""
    experiment = task.experiment.with_settings(device="cpu")
    numbers = sum(p.numel() for p in build_model(experiment).parameters()) // (experiment.n_instances or 1)
    at_rest = 8 * (numbers + 2) if task.rested else 0
    if task.way == "population":
        return 8 * (numbers + 1) + at_rest
    rows = -(-experiment.steps // experiment.every) + 1 if task.recorded else 1
    return rows * (4 * numbers + 8 * len(evaluation_of(experiment).measures)) + at_rest


def _duration(seconds: float) -> str:
    """Return a time in words, no more exact than it is known."""
    for unit, size in (("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.2g} {unit}" if seconds < 100 * size else f"{seconds / size:,.0f} {unit}"
    return f"{max(1, round(seconds))} s"
