"""What a recording holds, in a few lines or as one document."""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..dynamics.levels import nearest_level
from .recording import Recording

# How far from a level a feature may rest and still be counted at it: the jitter that minibatches leave is about half.
_TOLERANCE = 0.03


@dataclass(frozen=True)
class Summary:
    """A recording in short; levels counts the features of each parameter by the energy level they are at last."""

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
    levels: dict[str, dict[str, int]]

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return asdict(self)

    def __str__(self) -> str:
        lines = [f"{self.path}: {self.status}, {self.rows} rows, {self.bytes / 1e6:.1f} MB"]
        if self.rows:
            lines.append(f"steps        {self.first_step} to {self.last_step} in {self.seconds:.1f} s")
        lines.append(f"created      {self.created} by {self.software}")
        if self.experiment:
            lines.append(f"experiment   {self.experiment}")
        lines += [f"parameter    {name}  {_shape(shape)}" for name, shape in self.parameters.items()]
        lines += [
            f"scalar       {name}  last {'-' if value is None else f'{value:.6g}'}"
            for name, value in self.scalars.items()
        ]
        lines += [
            f"features     {name}  end at {', '.join(f'{level}: {count}' for level, count in levels.items())}"
            for name, levels in self.levels.items()
        ]
        return "\n".join(lines)


def summarize(recording: Recording) -> Summary:
    """Return what *recording* holds now."""
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
        experiment=recording.config.get("experiment", {}).get("name"),
        parameters={name: series.shape[1:] for name, series in recording.parameters.items()},
        scalars={name: _last_known(series[:]) for name, series in recording.scalars.items()},
        levels={name: _levels(group["dimensionality"][-1]) for name, group in recording.features.items() if rows},
    )


def _last_known(values: np.ndarray) -> float | None:
    known = np.flatnonzero(np.isfinite(values))
    return float(values[known[-1]]) if known.size else None


def _levels(dimensionality: np.ndarray) -> dict[str, int]:
    """Count features by level, highest first; those between the levels come last."""
    found = Counter(nearest_level(float(D), _TOLERANCE) for D in dimensionality.ravel())
    between = found.pop(None, 0)
    named = sorted((level for level in found if level), key=lambda level: level.dimensionality, reverse=True)
    counts = {f"{level.label} ({level.polytope})": found[level] for level in named}
    return {**counts, "between levels": between} if between else counts


def _shape(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape)) or "scalar"
