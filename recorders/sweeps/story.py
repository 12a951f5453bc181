"""What the result of a sweep holds, and what its models do, in a few lines or as one document."""

from dataclasses import asdict, dataclass
from math import prod
from typing import Any

from ...dynamics.ensembles.gathering import FEWEST_ROWS
from ...dynamics.errors import RecordingError, SettingError
from ..text import ShownAsText, readable
from .as_recording import Progress
from .census import census_of, is_census
from .each_model import features_of
from .statistics import SweepStatistics, statistics_of
from .sweep import Sweep

# So many points are told in lines; --json has all.
MOST_POINTS = 20


@dataclass(frozen=True)
class SweepSummary(ShownAsText):
    """The result of a sweep in short; steps are the rows of the trajectories, None where only the ends were kept."""

    path: str
    bytes: int
    experiment: str
    training: str
    axes: dict[str, tuple[Any, ...]]
    repeat: int
    steps: tuple[int, int, int] | None
    arrays: dict[str, tuple[int, ...]]
    failures: list[str]

    @property
    def points(self) -> int:
        """How many points the grid has."""
        return prod(map(len, self.axes.values()))

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return asdict(self)

    def __str__(self) -> str:
        points, models = (
            f"{n} {one}{'' if n == 1 else 's'}" for n, one in ((self.points, "point"), (self.repeat, "model"))
        )
        count = f"{points} of {models}"
        lines = [f"{self.path}: sweep of {self.experiment}, {count}, {readable(self.bytes)}"]
        lines += [f"axis         {name}  {_values(values)}" for name, values in self.axes.items()]
        lines.append(f"trained      {self.training}")
        if self.steps:
            lines.append("trajectories {} rows, steps {} to {}".format(*self.steps))
        else:
            lines.append("trajectories none, the ends only; dyn sweep --record keeps them")
        lines += [f"array        {name}  {' × '.join(map(str, shape))}" for name, shape in self.arrays.items()]
        lines += [f"failed       {failure}" for failure in self.failures]
        return "\n".join(lines)


def summarize_sweep(sweep: Sweep) -> SweepSummary:
    """Return what *sweep* holds."""
    step = sweep.step
    return SweepSummary(
        path=str(sweep.path),
        bytes=sweep.path.stat().st_size,
        experiment=str(sweep.experiment["name"]),
        training=sweep.training,
        axes=sweep.axes,
        repeat=sweep.repeat,
        steps=None if step is None else (len(step), int(step[0]), int(step[-1])),
        arrays={name: sweep.dataset(name).shape for name in sweep.names},
        failures=sweep.failures,
    )


def sweep_document(sweep: Sweep, *, progress: Progress = iter) -> dict[str, Any]:
    """Return what a sweep holds and what its models, which *progress* wraps, do at all its points, as JSON can hold."""
    told = statistics_of(sweep, progress=progress).as_dict() if features_of(sweep) else None
    census = census_of(sweep).as_dict() if is_census(sweep) else None
    return summarize_sweep(sweep).as_dict() | {"statistics": told, "census": census}


def sweep_lines(sweep: Sweep, *, progress: Progress = iter) -> str:
    """Return what a sweep holds and what its models, which *progress* wraps, do at its first points, in lines.

    Where they were followed to rest, it is the census of all points.
    """
    summary = summarize_sweep(sweep)
    lines = [str(summary)]
    if is_census(sweep):
        lines += ["", str(census_of(sweep, progress=progress))]
    elif features_of(sweep):
        told = statistics_of(sweep, points=MOST_POINTS, progress=progress)
        lines += [f"{told.parameter}, with 95 % confidence intervals over models in brackets", str(told)]
        if summary.points > MOST_POINTS:
            lines.append(f"and {summary.points - MOST_POINTS} more points; --json has all")
    return "\n".join(lines)


def tell_jumps(
    sweep: Sweep, parameter: str | None = None, instance: int | None = None, *, progress: Progress = iter
) -> SweepStatistics:
    """Return the statistics of a sweep whose jumps can be told; *progress* wraps its models.

    Raises RecordingError where no trajectories were kept, SettingError for an *instance*, of which a sweep has none,
    and as statistics_of() does.
    """
    if instance is not None:
        raise SettingError(f"instance={instance}: the jumps of a sweep are told of all its models; leave it out")
    rows = 0 if sweep.step is None else len(sweep.step)
    if rows < FEWEST_ROWS:
        what = f"has {rows} rows, too few to see jumps in; give a smaller every" if rows else "keeps no trajectories"
        raise RecordingError(f"{sweep.path} {what}; sweep with --record")
    return statistics_of(sweep, parameter, progress=progress)


def _values(values: tuple[Any, ...]) -> str:
    shown = [f"{value:.4g}" if isinstance(value, float) else str(value) for value in values]
    return (
        ", ".join(shown) if len(shown) <= MOST_POINTS else f"{shown[0]}, {shown[1]}, … {shown[-1]}: {len(shown)} values"
    )
