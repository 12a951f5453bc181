"""What a glance at a running recording reads: its end, and a few rows of all the rest, however long it is."""

from dataclasses import dataclass, field, replace

import numpy as np

from ...dynamics.chance.verdict import AS_RANDOM
from ...dynamics.levels import LEVELS, TOLERANCE, count_levels, level_indices
from ..reading.recording import Recording
from ..reading.series import Series
from ..stories.judging import may_have_levels, plain

# The scalars' last values are sought in this many rows, and the speed is that of the last seconds of them.
_TAIL = 4096
_LATELY = 10.0
# Of the loss this many rows are looked at; of the features of one parameter this many numbers, and rows.
_LOSS_ROWS = 2000
_FEATURE_NUMBERS = 2**17
_FEATURE_ROWS = 400
_PARAMETERS = 4
_SCALARS = 24
# A feature has come to rest at a level when this many rows that are looked at, one after another, find it there.
_REST = 10
_CHANGES = 4


@dataclass(frozen=True)
class Sample:
    """Every *stride*-th row of a series, from the first."""

    stride: int
    values: np.ndarray


@dataclass(frozen=True)
class LevelChange:
    """A feature that came to rest at another level than before, or for the first time, when before is None."""

    step: int
    feature: tuple[int, ...]
    before: str | None
    after: str


@dataclass(frozen=True)
class FeatureGlance:
    """The features of one parameter: their shape ([instances,] n), how many are at each level, the latest changes."""

    shape: tuple[int, ...]
    counts: dict[str, int]
    changes: list[LevelChange]
    sample: Sample


@dataclass(frozen=True)
class Glance:
    """A recording at one moment; rate is in rows a second of the training's time."""

    path: str
    status: str
    created: str
    bytes: int
    rows: int
    step: int | None = None
    seconds: float | None = None
    rate: float | None = None
    loss: Sample | None = None
    scalars: dict[str, float | None] = field(default_factory=dict)
    other_scalars: int = 0
    features: dict[str, FeatureGlance] = field(default_factory=dict)
    other_features: int = 0


def look(recording: Recording, previous: Glance | None = None) -> Glance:
    """Return what *recording* holds now; of what *previous* has seen nothing is read again."""
    size, rows = recording.path.stat().st_size, len(recording)
    empty = Glance(str(recording.path), recording.status, recording.created, size, rows)
    if not rows:
        return empty
    if previous and not _continues(recording, previous):
        previous = None
    time = recording.time[-_TAIL:]
    scalars, features = recording.scalars, recording.features
    shown = sorted(scalars, key=lambda name: name != "loss")[:_SCALARS]
    return replace(
        empty,
        step=int(recording.step[-1]),
        seconds=float(time[-1]),
        rate=_rate(time),
        loss=_sample(scalars["loss"], _LOSS_ROWS, previous and previous.loss) if "loss" in scalars else None,
        scalars={name: _last_known(scalars[name], name, previous) for name in shown},
        other_scalars=len(scalars) - len(shown),
        features={
            name: _look_at_features(recording, name, previous and previous.features.get(name))
            for name in list(features)[:_PARAMETERS]
        },
        other_features=max(0, len(features) - _PARAMETERS),
    )


def _continues(recording: Recording, previous: Glance) -> bool:
    """Whether the rows seen before are still there: not if another file took the path, or a trigger dropped some."""
    if recording.created != previous.created or len(recording) < previous.rows or previous.step is None:
        return False
    return int(recording.step[previous.rows - 1]) == previous.step


def _rate(time: np.ndarray) -> float | None:
    lately = time[time >= time[-1] - _LATELY]
    return float((len(lately) - 1) / (lately[-1] - lately[0])) if len(lately) > 1 and lately[-1] > lately[0] else None


def _last_known(series: Series, name: str, previous: Glance | None) -> float | None:
    values = series[-_TAIL:]
    known = values[np.isfinite(values)]
    if known.size:
        return float(known[-1])
    return previous.scalars.get(name) if previous else None


def _sample(series: Series, most: int, previous: Sample | None) -> Sample:
    """Return at most *most* rows of *series*; the stride is a power of two, so that earlier samples are of use."""
    stride = previous.stride if previous else 1
    values = previous.values if previous else series[:0]
    while len(series) > most * stride:
        stride, values = 2 * stride, values[::2]
    new = series[len(values) * stride :: stride]
    return Sample(stride, np.concatenate([values, new]))


def _look_at_features(recording: Recording, name: str, previous: FeatureGlance | None) -> FeatureGlance:
    series = recording.features[name]["dimensionality"]
    shape = series.shape[1:]
    most = max(2, min(_FEATURE_ROWS, _FEATURE_NUMBERS // max(1, int(np.prod(shape)))))
    sample = _sample(series, most, previous and previous.sample)
    counts = count_levels(series[-1])
    if name not in recording.parameters:
        return FeatureGlance(shape, counts, _latest_changes(recording, sample), sample)
    if not may_have_levels(recording, name):
        return FeatureGlance(shape, {AS_RANDOM: sum(counts.values())}, [], sample)
    # Which shapes there are takes longer than a glance.
    return FeatureGlance(shape, plain(counts), _latest_changes(recording, sample), sample)


def _latest_changes(recording: Recording, sample: Sample) -> list[LevelChange]:
    """Find the features that came to rest at another level than before, the latest last."""
    settled = _settled(level_indices(sample.values, TOLERANCE))
    rows, *features = (found[-_CHANGES:].tolist() for found in np.nonzero(settled[1:] != settled[:-1]))
    changes = []
    for row, *feature in zip(rows, *features, strict=True):
        before, after = (int(settled[(k, *feature)]) for k in (row, row + 1))
        step = int(recording.step[(row + 1) * sample.stride])
        from_level = LEVELS[before].label if before >= 0 else None
        changes.append(LevelChange(step, tuple(feature), from_level, LEVELS[after].label))
    return changes


def _settled(levels: np.ndarray) -> np.ndarray:
    """Return the level at which each feature last came to rest, row by row, −1 before the first; same shape (T, …)."""
    rows = np.arange(len(levels)).reshape(-1, *[1] * (levels.ndim - 1))
    changed = levels[1:] != levels[:-1]
    edge = np.ones((1, *levels.shape[1:]), bool)
    starts, ends = np.concatenate([edge, changed]), np.concatenate([changed, edge])
    first = np.maximum.accumulate(np.where(starts, rows, 0), axis=0)
    last = np.minimum.accumulate(np.where(ends, rows, len(levels))[::-1], axis=0)[::-1]
    rests = (levels >= 0) & (last - first >= _REST - 1)
    latest = np.maximum.accumulate(np.where(rests, rows, -1), axis=0)
    return np.where(latest >= 0, np.take_along_axis(levels, np.maximum(latest, 0), axis=0), -1)
