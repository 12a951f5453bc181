"""The recordings of several ranks, row by row and shard by shard, as one whole."""

import json
import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import reduce
from typing import Any, Literal

import numpy as np

from ...dynamics.errors import RecordingError, SettingError
from ..reading.recording import Recording, snapshot_of
from ..reading.series import Series
from ..ring.channels import Channel

# What a shard's attributes say of its place in the whole, and a whole has no need for.
_OF_SHARD = ("global_shape", "offset", "placements", "mesh")
_SCANNED_ROWS = 2**16
# The ranks of one training wait for each other, so that they begin at nearly the same time.
_SPREAD = timedelta(hours=1)
# Rows this near to each other are read together with what lies between them, within so many bytes in all.
_GAP, _SPAN_BYTES = 2**16, 2**25


class RankRows:
    """What one rank recorded, of the steps that every rank has: rows are counted by those."""

    def __init__(self, recording: Recording, steps: np.ndarray):
        self.recording = recording
        self.rows = len(steps)
        self.left_out = len(recording) - len(steps)
        self._places = np.searchsorted(recording.step[:], steps)
        self.has_final_row = bool(_attributes(recording).get("final_row", 0)) and recording.step[-1] == steps[-1]

    def read(self, series: Series, rows: range) -> np.ndarray:
        """Return these rows of one of the recording's arrays, (T, ...).

        Rows that are near each other in the file are read with those between them, some megabytes at a time.
        """
        row_bytes = max(math.prod(series.shape[1:]) * series.dtype.itemsize, 1)
        # What a chunk holds between two rows is quickly passed over, too.
        gap = max(_GAP // row_bytes, (series.chunks or (1,))[0])
        found, done = np.empty((len(rows), *series.shape[1:]), series.dtype), 0
        for places in _spans(self._places[rows.start : rows.stop], gap, max(_SPAN_BYTES // row_bytes, 1)):
            first, last = int(places[0]), int(places[-1])
            found[done : done + len(places)] = series[first : last + 1][places - first]
            done += len(places)
        return found

    def has_loss(self) -> bool:
        """Whether this rank logged a loss at any step."""
        loss = self.recording.scalars.get("loss")
        if loss is None:
            return False
        starts = range(0, len(loss), _SCANNED_ROWS)
        return any(not np.isnan(loss[start : start + _SCANNED_ROWS]).all() for start in starts)

    def channel(self, group: Literal["parameters", "probes", "buffers"], name: str) -> Channel:
        """Return the channel of an array that this rank recorded."""
        series: Series = getattr(self.recording, group)[name]
        axes = self._axes(f"{group}/{name}")[1:]
        return Channel(group, name, series.shape[1:], series.dtype, series.dtype, axes, None, series.attrs)

    def constants(self) -> list[tuple[Channel, np.ndarray]]:
        """Return what this rank has kept once."""
        found = []
        for name, constant in self.recording.constants.items():
            values, axes = np.asarray(constant), self._axes(f"constants/{name}")
            noted = constant.attrs
            found.append(
                (Channel("constants", name, values.shape, values.dtype, values.dtype, axes, None, noted), values)
            )
        return found

    def not_recorded(self) -> list[str]:
        """Return what this rank did not record of the state of its model."""
        return json.loads(str(_attributes(self.recording).get("not_recorded", "[]")))

    def _axes(self, path: str) -> tuple[str, ...]:
        dataset: Any = snapshot_of(self.recording).node(path)
        # The rows of a recording have their scale too.
        return tuple(dimension[0].name.removeprefix("/") for dimension in dataset.dims)


def by_rank(recordings: Sequence[Recording]) -> list[RankRows]:
    """Return all ranks in order; raises SettingError without any, RecordingError unless they are of one training."""
    if not recordings:
        raise SettingError("merge() takes the recordings of all ranks, such as run.rank*.h5, and got none")
    first, size = recordings[0], _number(recordings[0], "world_size")
    found: dict[int, Recording] = {}
    for recording in recordings:
        rank = _number(recording, "rank")
        if _number(recording, "world_size") != size:
            other = _number(recording, "world_size")
            raise RecordingError(f"{first.path} is of {size} ranks and {recording.path} of {other}; merge one training")
        if rank in found:
            raise RecordingError(f"{found[rank].path} and {recording.path} are both of rank {rank}; name one of them")
        found[rank] = recording
    missing = [str(rank) for rank in range(size) if rank not in found]
    if missing:
        lacking = f"rank {missing[0]} is" if len(missing) == 1 else f"ranks {', '.join(missing)} are"
        raise RecordingError(
            f"of {size} ranks, {lacking} missing; merge the recordings of all ranks, such as run.rank*.h5"
        )
    ordered = [found[rank] for rank in range(size)]
    began = [datetime.fromisoformat(recording.created) for recording in ordered]
    if max(began) - min(began) > _SPREAD:
        times = ", ".join(f"{recording.path.name} at {recording.created}" for recording in ordered)
        warnings.warn(f"the recordings began far apart, so they may be of different trainings: {times}", stacklevel=4)
    steps = reduce(np.intersect1d, (recording.step[:] for recording in ordered))
    if not len(steps):
        raise RecordingError(f"{first.path} and the others have no step in common; merge one training")
    return [RankRows(recording, steps) for recording in ordered]


@dataclass(frozen=True)
class Shard:
    """A part of a parameter: which rank has it, and where it belongs."""

    rank: RankRows
    region: tuple[slice, ...]


@dataclass(frozen=True)
class WholeParameter:
    """A parameter and the shards that it is made of."""

    channel: Channel
    shards: tuple[Shard, ...]

    def read(self, rows: range) -> np.ndarray:
        """Return these rows of the whole, (T, *shape)."""
        whole = np.empty((len(rows), *self.channel.shape), self.channel.dtype)
        for shard in self.shards:
            series = shard.rank.recording.parameters[self.channel.name]
            whole[(slice(None), *shard.region)] = shard.rank.read(series, rows)
        return whole


def whole_parameters(ranks: Sequence[RankRows]) -> list[WholeParameter]:
    """Return the parameters that the ranks have parts of; raises RecordingError where the parts make no whole."""
    names = dict.fromkeys(name for rank in ranks for name in rank.recording.parameters)
    return [_whole(name, [rank for rank in ranks if name in rank.recording.parameters]) for name in names]


def _whole(name: str, ranks: Sequence[RankRows]) -> WholeParameter:
    channels = [rank.channel("parameters", name) for rank in ranks]
    shapes = {_whole_shape(channel) for channel in channels}
    if len(shapes) > 1:
        raise RecordingError(f"parameter {name!r} has the shapes {shapes} in {_paths(ranks)}; merge one training")
    first, shape = channels[0], shapes.pop()
    regions: dict[tuple[tuple[int, int], ...], RankRows] = {}
    for rank, channel in zip(ranks, channels, strict=True):
        # Ranks that are replicas of each other have the same region; the first of them is taken.
        regions.setdefault(_region(channel), rank)
    shards = tuple(Shard(rank, tuple(slice(*bounds) for bounds in region)) for region, rank in regions.items())
    _check_tiling(name, shape, shards)
    attributes = {key: value for key, value in first.attributes.items() if key not in _OF_SHARD}
    axis: Any = attributes.get("features")
    return WholeParameter(replace(first, shape=shape, features=axis, attributes=attributes), shards)


def _check_tiling(name: str, shape: tuple[int, ...], shards: Sequence[Shard]) -> None:
    covered = np.zeros(shape, np.bool_)
    for shard in shards:
        covered[shard.region] = True
    elements = sum(math.prod(part.stop - part.start for part in shard.region) for shard in shards)
    if elements != covered.size or not covered.all():
        problem = "is recorded twice" if elements > covered.size else "is missing"
        raise RecordingError(f"a part of parameter {name!r} {problem} in {_paths([each.rank for each in shards])}")


def _whole_shape(channel: Channel) -> tuple[int, ...]:
    return tuple(json.loads(channel.attributes.get("global_shape", json.dumps(channel.shape))))


def _region(channel: Channel) -> tuple[tuple[int, int], ...]:
    """Return where a shard begins and ends in the whole, along each axis."""
    offset = json.loads(channel.attributes.get("offset", json.dumps([0] * len(channel.shape))))
    return tuple((start, start + size) for start, size in zip(offset, channel.shape, strict=True))


def _spans(places: np.ndarray, gap: int, most: int) -> Iterator[np.ndarray]:
    """Cut rising *places* where the next is more than *gap* away, and wherever a part would span more than *most*."""
    for part in np.split(places, np.flatnonzero(np.diff(places) > gap) + 1):
        while len(part):
            end = int(np.searchsorted(part, part[0] + most))
            yield part[:end]
            part = part[end:]


def _attributes(recording: Recording) -> dict[str, Any]:
    root = snapshot_of(recording).node("/")
    return {} if root is None else dict(root.attrs)


def _number(recording: Recording, name: str) -> int:
    found = _attributes(recording).get(name)
    if found is None:
        raise RecordingError(
            f"{recording.path} is not the recording of one rank's shards: it has no attribute {name!r}, so there is "
            "nothing to merge"
        )
    return int(found)


def _paths(ranks: Sequence[RankRows]) -> str:
    return ", ".join(str(rank.recording.path) for rank in ranks)
