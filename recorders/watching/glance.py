"""What a glance at a running recording reads: its end, and a few rows of all the rest, however long it is."""

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ...dynamics.chance.verdict import AS_RANDOM
from ...dynamics.levels import LEVELS, TOLERANCE, count_levels, level_indices
from ..reading.divergence import ends_diverged, last_logged
from ..reading.recording import Recording
from ..reading.series import Series
from ..stories.judging import may_have_levels

# The scalars' last values are sought in this many rows, and the speed is that of the last seconds of them.
_TAIL = 4096
_LATELY = 10.0
# Of the loss this many rows are looked at; of the features of one parameter this many numbers, and rows.
_LOSS_ROWS = 2000
_FEATURE_NUMBERS = 2**17
_FEATURE_ROWS = 400
_PARAMETERS = 4
# A larger parameter is not asked at every look whether it is finite.
_ROW_BYTES = 2**24
_SCALARS = 24
# A feature has come to rest at a level when this many rows that are looked at, one after another, find it there.
_REST = 10
_CHANGES = 4
# A feature leaves the level where it rests for another one that is within reach of both when it is as near to it.
_NEAR = TOLERANCE / 6

_VALUES = np.array([float(level.dimensionality) for level in LEVELS])

# A row of a sample, the feature, and its levels before and after, −1 before the first.
Move = tuple[int, tuple[int, ...], int, int]


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
    diverged_at: int | None = None


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
    last = {name: _last_logged(scalars[name], name, previous) for name in shown}
    # Only then is every row read, once.
    has_diverged = ends_diverged(recording, last.get("loss"), most_bytes=_ROW_BYTES)
    return replace(
        empty,
        step=int(recording.step[-1]),
        seconds=float(time[-1]),
        rate=_rate(time),
        loss=_sample(scalars["loss"], _LOSS_ROWS, previous and previous.loss) if "loss" in scalars else None,
        scalars=last,
        other_scalars=len(scalars) - len(shown),
        features={
            name: _look_at_features(recording, name, previous and previous.features.get(name))
            for name in list(features)[:_PARAMETERS]
        },
        other_features=max(0, len(features) - _PARAMETERS),
        diverged_at=recording.diverged_at if has_diverged else None,
    )


def _continues(recording: Recording, previous: Glance) -> bool:
    """Whether the rows seen before are still there: not if another file took the path, or a trigger dropped some."""
    if recording.created != previous.created or len(recording) < previous.rows or previous.step is None:
        return False
    return int(recording.step[previous.rows - 1]) == previous.step


def _rate(time: np.ndarray) -> float | None:
    lately = time[time >= time[-1] - _LATELY]
    return float((len(lately) - 1) / (lately[-1] - lately[0])) if len(lately) > 1 and lately[-1] > lately[0] else None


def _last_logged(series: Series, name: str, previous: Glance | None) -> float | None:
    last = last_logged(series, within=_TAIL)
    return last if last is not None or not previous else previous.scalars.get(name)


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
    if name in recording.parameters and not may_have_levels(recording, name):
        return FeatureGlance(shape, {AS_RANDOM: math.prod(shape)}, [], sample)
    rests, moves = _rests(sample.values)
    changes = [
        LevelChange(
            int(recording.step[row * sample.stride]),
            feature,
            LEVELS[before].label if before >= 0 else None,
            LEVELS[after].label,
        )
        for row, feature, before, after in moves[-_CHANGES:]
    ]
    lately = series[-_REST:]
    return FeatureGlance(shape, count_levels(_steadied(lately, rests)), changes, sample)


def _rests(D: np.ndarray) -> tuple[np.ndarray, list[Move]]:
    """Return the level at which each feature is at rest at last, and the moves from one to another, the latest last.

    It is at rest where so many rows, one after another, are within reach of a level. Between two levels that are within
    reach of each other noise decides which is nearer: it has moved from one to the next when the mean says so.
    """
    rests, moves = np.full(D.shape[1:], -1), []
    if len(D) < _REST:
        return rests, moves
    windows = sliding_window_view(D, _REST, axis=0)
    mean = windows.mean(axis=-1)
    found = level_indices(mean, TOLERANCE)
    farthest = np.abs(windows - _VALUES[found][..., None]).max(axis=-1)
    is_at_rest = (found >= 0) & (farthest <= TOLERANCE)
    for row in range(len(mean)):
        leaves = is_at_rest[row] & (found[row] != rests) & ((rests < 0) | ~_stays(mean[row], rests))
        # Where a feature is from the beginning it has not come to.
        for feature in map(tuple, np.argwhere(leaves).tolist() if row else []):
            moves.append((row, feature, int(rests[feature]), int(found[(row, *feature)])))
        rests = np.where(leaves, found[row], rests)
    return rests, moves


def _stays(D: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Return whether a feature of dimensionality D is still at its *level*, and not as good as at another."""
    there = np.abs(D - _VALUES[level]) <= TOLERANCE
    nearest = level_indices(np.asarray(D), _NEAR)
    return there & ((nearest < 0) | (nearest == level))


def _steadied(lately: np.ndarray, rests: np.ndarray) -> np.ndarray:
    """Return the last row of D, with the level's own in place of what is still at its level; (rows, …) -> (…)."""
    stays = (rests >= 0) & _stays(lately.mean(axis=0), rests)
    return np.where(stays, _VALUES[rests], lately[-1])
