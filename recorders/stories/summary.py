"""What a recording holds, in a few lines or as one document."""

import math
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from itertools import islice, starmap
from typing import Any

from ...dynamics.levels import LEVELS
from ..reading.divergence import last_logged
from ..reading.opening import catalogue_entry
from ..reading.recording import Recording
from ..reading.selection import select
from ..text import ShownAsText, readable
from .judging import levels_of

# Of a large ensemble, so many lines of levels leave the story below them in sight.
_MOST_LISTED, _MOST_NAMED = 20, 6
_LEVELS = {level.words for level in LEVELS}


@dataclass(frozen=True)
class Summary(ShownAsText):
    """A recording in short.

    levels counts the features of each parameter by the energy level they are at last; guessed says what attach() took
    parameters for where nobody had said it; resumed_at has the steps at which the recording was gone on with,
    branched_from the FILE@STEP that it is a branch of.
    """

    path: str
    status: str
    created: str
    software: str
    rows: int
    first_step: int | None
    last_step: int | None
    seconds: float | None
    bytes: int
    experiment: str | None
    parameters: dict[str, tuple[int, ...]]
    scalars: dict[str, float | None]
    probes: dict[str, tuple[int, ...]]
    levels: dict[str, dict[str, int]]
    diverged_at: int | None = None
    guessed: dict[str, str] = field(default_factory=dict)
    checkpoints: list[int] = field(default_factory=list)
    resumed_at: tuple[int, ...] = ()
    branched_from: str | None = None
    buffers: dict[str, tuple[int, ...]] = field(default_factory=dict)
    constants: dict[str, tuple[int, ...]] = field(default_factory=dict)
    summarised: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold; None stands for a number that is not finite."""
        scalars = {
            name: value if value is None or math.isfinite(value) else None for name, value in self.scalars.items()
        }
        return asdict(self) | {"scalars": scalars}

    def __str__(self) -> str:
        lines = [f"{self.path}: {self.status}, {self.rows} rows, {readable(self.bytes)}{self._guess()}"]
        if self.rows:
            lines.append(f"steps        {self.first_step} to {self.last_step} in {self.seconds:.1f} s")
        if self.diverged_at is not None:
            lines.append(f"diverged     at step {self.diverged_at}")
        if self.checkpoints:
            first, last = self.checkpoints[0], self.checkpoints[-1]
            lines.append(f"checkpoints  {len(self.checkpoints)}, of steps {first} to {last}")
        lines.append(f"created      {self.created} by {self.software}")
        if self.resumed_at:
            steps = f"at step{'s' if len(self.resumed_at) > 1 else ''} {', '.join(map(str, self.resumed_at))}"
            lines.append(f"resumed      {steps}")
        if self.experiment:
            lines.append(f"experiment   {self.experiment}")
        if self.branched_from:
            lines.append(f"branched     from {self.branched_from}")
        lines += [f"summaries    of {_counted(self.summarised)}"] if self.summarised else []
        lines += [f"parameter    {name}  {_shape(shape)}" for name, shape in self.parameters.items()]
        lines += [
            f"scalar       {name}  last {'-' if value is None else f'{value:.6g}'}"
            for name, value in self.scalars.items()
        ]
        lines += [
            f"features     {name}  now {', '.join(starmap(_told, levels.items()))}"
            for name, levels in [*self.levels.items()][:_MOST_LISTED]
        ]
        if len(self.levels) > _MOST_LISTED:
            lines.append(f"features     and {len(self.levels) - _MOST_LISTED} more; --json has all")
        lines += [f"probe        {name}  {_shape(shape)}" for name, shape in self.probes.items()]
        lines += [f"buffers      {_counted(self.buffers)}"] if self.buffers else []
        lines += [f"kept once    {_counted(self.constants)}"] if self.constants else []
        return "\n".join(lines)

    def _guess(self) -> str:
        """Say what was guessed of the parameters, and how to say otherwise."""
        if not self.guessed:
            return ""
        told = ", ".join(f"{name} as {guess}" for name, guess in self.guessed.items())
        return f"; guessed: {told} (attach(features={{name: 'columns', 'rows' or None}}) says otherwise)"


def summarize(recording: Recording, *, with_levels: bool = True) -> Summary:
    """Return what *recording* holds now; *with_levels* also what may be said of its features, which takes longer."""
    rows = len(recording)
    return Summary(
        path=str(recording.path),
        status=recording.status,
        created=recording.created,
        software=recording.software,
        rows=rows,
        first_step=int(recording.step[0]) if rows else None,
        last_step=int(recording.step[-1]) if rows else None,
        seconds=float(recording.time[-1]) if rows else None,
        bytes=recording.path.stat().st_size,
        experiment=catalogue_entry(recording.config).get("name"),
        parameters={name: series.shape[1:] for name, series in recording.parameters.items()},
        scalars={name: last_logged(series) for name, series in recording.scalars.items()},
        levels=_levels(recording) if rows and with_levels else {},
        probes={name: series.shape[1:] for name, series in recording.probes.items()},
        diverged_at=recording.diverged_at,
        checkpoints=recording.checkpoints,
        resumed_at=recording.resumed_at,
        branched_from=recording.config.get("branched_from"),
        buffers={name: series.shape[1:] for name, series in recording.buffers.items()},
        constants={name: constant.shape for name, constant in recording.constants.items()},
        summarised={name: recording.summaries.shape_of(name) for name in recording.summaries},
        guessed={
            name: str(series.attrs["guessed"])
            for name, series in recording.parameters.items()
            if "guessed" in series.attrs
        },
    )


def _levels(recording: Recording) -> dict[str, dict[str, int]]:
    """Count the features of each parameter, and of each member of an ensemble, by what may be said of their level."""
    counts = {}
    for name, group in recording.features.items():
        shape = group["dimensionality"].shape[1:]
        if len(shape) == 1:
            counts[name] = levels_of(recording, name)
        else:
            who = [select(recording, name, k).which for k in range(shape[0])]
            counts.update((f"{name}, {each}", levels_of(recording, name, k)) for k, each in enumerate(who))
    return counts


def _counted(names: Collection[str]) -> str:
    rest = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"{', '.join(islice(names, _MOST_NAMED))}{rest}"


def _told(level: str, count: int) -> str:
    return f"{count} at {level}" if level in _LEVELS else f"{count} {level}"


def _shape(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape)) or "scalar"
