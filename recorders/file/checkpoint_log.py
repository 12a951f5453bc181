"""The checkpoints of a recording under way: appended to a file beside it, and put into it when it is closed.

HDF5 can create nothing while readers look on, and what an optimizer keeps is not known before its first step. So each
checkpoint goes in one piece behind those before it, and counts once its length is written. The file begins with the
token of its recording; a checkpoint is a header (length in bytes, or 0 until all of it is there; bytes of JSON; step),
the JSON, and from the next multiple of 64 bytes on the arrays that the JSON lists. Loads no torch.
"""

import json
import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..ring.forks import close, own
from .creation import dimension
from .hdf5 import CHECKPOINTS
from .journal import atomically

_MAGIC = b"dynckpt1"
_HEADER = struct.Struct("<QQq")
_TOKEN_BYTES = 32
_BEGIN, _ALIGNMENT = len(_MAGIC) + _TOKEN_BYTES, 64
_PIECE = 2**24
# What is smaller may well be part of the change that makes its place.
_SMALL = 2**12
# Where a group of a checkpoint says what its arrays are for, as UTF-8.
STATE = "state"


@dataclass(frozen=True)
class LoggedArray:
    """An array of a checkpoint: its path within it, what it is, and where its bytes lie in the file beside."""

    path: str
    dtype: np.dtype
    shape: tuple[int, ...]
    offset: int

    @property
    def nbytes(self) -> int:
        """How many bytes it has."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize


@dataclass(frozen=True)
class LoggedCheckpoint:
    """A checkpoint that is whole: its step, what its arrays are for, and these."""

    step: int
    state: bytes
    arrays: tuple[LoggedArray, ...]


def checkpoint_log_path(recording: Path) -> Path:
    """Return where the checkpoints of a recording lie that are not in it yet."""
    return Path(f"{recording}.checkpoints")


class CheckpointLog:
    """The file of checkpoints, open for another one."""

    def __init__(self, path: Path, token: str):
        self._path, self._token = path, token.encode().ljust(_TOKEN_BYTES)
        self._end = 0
        self._descriptor = -1

    def append(self, step: int, state: Any, arrays: Mapping[str, np.ndarray]) -> None:
        """Write a checkpoint: arrays by their paths, and *state*, which JSON can hold, to say what they are for.

        Raises OSError where it cannot be written; nothing of it stays then.
        """
        if self._descriptor < 0:
            self._begin()
        listed = [[path, array.dtype.str, array.shape] for path, array in arrays.items()]
        text = json.dumps({"arrays": listed, "state": state}).encode()
        try:
            self._write(self._end + _HEADER.size, text)
            end = self._end + _HEADER.size + len(text)
            for array in arrays.values():
                end = _aligned(end)
                self._write(end, np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
                end += array.nbytes
            end = _aligned(end)
            os.ftruncate(self._descriptor, end)
            # What was written before is there when this is.
            self._write(self._end, _HEADER.pack(0, len(text), step))
            self._write(self._end, _HEADER.pack(end - self._end, len(text), step)[:8])
        except OSError:
            os.ftruncate(self._descriptor, self._end)
            raise
        self._end = end

    def close(self) -> None:
        """Let go of the file, which stays until its recording is closed."""
        if self._descriptor >= 0:
            close(self._descriptor)
        self._descriptor = -1

    def _begin(self) -> None:
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
        self._descriptor = own(os.open(self._path, flags, 0o666))
        # What lies there is of a recording that was replaced.
        os.ftruncate(self._descriptor, 0)
        self._write(0, _MAGIC + self._token)
        self._end = _aligned(_BEGIN)

    def _write(self, offset: int, data: bytes | memoryview) -> None:
        view = memoryview(data)
        while view:
            written = os.pwrite(self._descriptor, view[:_PIECE], offset)
            offset, view = offset + written, view[written:]


def logged_checkpoints(path: Path, token: str) -> list[LoggedCheckpoint]:
    """Return the whole checkpoints in the file at *path*, the last of each step, if it is of the recording *token*."""
    try:
        with path.open("rb") as file:
            if file.read(_BEGIN) != _MAGIC + token.encode().ljust(_TOKEN_BYTES):
                return []
            found = {each.step: each for each in _read(file, path.stat().st_size)}
    except FileNotFoundError:
        return []
    return [found[step] for step in sorted(found)]


def _read(file: Any, size: int) -> Iterator[LoggedCheckpoint]:
    start = _aligned(_BEGIN)
    while start + _HEADER.size <= size:
        file.seek(start)
        length, count, step = _HEADER.unpack(file.read(_HEADER.size))
        if not length or start + length > size:
            return
        if count > length:
            return
        try:
            found = _parsed(file.read(count), step, start + _HEADER.size + count)
        except (ValueError, TypeError, KeyError, RecursionError):
            # A machine that lost its power may have written the length and not the rest.
            return
        if any(array.offset + array.nbytes > start + length for array in found.arrays):
            return
        yield found
        start += length


def _parsed(text: bytes, step: int, offset: int) -> LoggedCheckpoint:
    """Return what the JSON of a checkpoint says, whose arrays follow it from *offset* on."""
    document, arrays = json.loads(text), []
    for path, dtype, shape in document["arrays"]:
        arrays.append(LoggedArray(path, np.dtype(dtype), tuple(shape), _aligned(offset)))
        offset = arrays[-1].offset + arrays[-1].nbytes
    return LoggedCheckpoint(step, json.dumps(document["state"]).encode(), tuple(arrays))


def fold_checkpoints(recording: Path, token: str, beside: Path) -> None:
    """Put the checkpoints that lie *beside* a closed recording into it, and delete that file; may be begun again.

    Their places are made in one change, with nothing in them; then the bytes go there directly, since a change is held
    in memory. Until all of them have, the file beside is what counts.
    """
    found = logged_checkpoints(beside, token)
    if found:
        with atomically(recording) as file:
            places = [place for each in found for place in _make_places(file, each, beside)]
        _copy(beside, recording, places)
    beside.unlink(missing_ok=True)


def add_checkpoints(file: h5py.File, beside: Path, token: str) -> None:
    """Put the checkpoints that lie *beside* a recording into another file of its rows, which nobody reads yet."""
    for each in logged_checkpoints(beside, token):
        for array, dataset in _make_datasets(file, each):
            dataset[...] = read_array(beside, array)


def drop_checkpoints(file: h5py.File, after: int) -> None:
    """Delete the checkpoints of steps that are taken back."""
    group = file.get(CHECKPOINTS)
    for name in [name for name in group if int(str(name)) > after] if isinstance(group, h5py.Group) else ():
        del file[f"{CHECKPOINTS}/{name}"]


def read_array(beside: Path, array: LoggedArray) -> np.ndarray:
    """Return the values of an array of a checkpoint that is not in its recording yet."""
    with beside.open("rb") as file:
        file.seek(array.offset)
        return np.frombuffer(file.read(array.nbytes), array.dtype).reshape(array.shape)


def _make_places(file: h5py.File, checkpoint: LoggedCheckpoint, beside: Path) -> list[tuple[int, int, int]]:
    """Make what a checkpoint takes, with what is small; return from where to where so many bytes are to be copied."""
    places = []
    for array, dataset in _make_datasets(file, checkpoint):
        if array.nbytes < _SMALL:
            dataset[...] = read_array(beside, array)
        else:
            places.append((array.offset, dataset.id.get_offset(), array.nbytes))
    return places


def _make_datasets(file: h5py.File, checkpoint: LoggedCheckpoint) -> list[tuple[LoggedArray, h5py.Dataset]]:
    """Make the group of a checkpoint, in the place of one of the same step, with what it says of its arrays."""
    group = f"{CHECKPOINTS}/{checkpoint.step}"
    if group in file:
        del file[group]
    file.require_group(group)
    made = [(array, _empty(file, f"{group}/{array.path}", array)) for array in checkpoint.arrays]
    text = np.frombuffer(checkpoint.state, np.uint8)
    _named(file, file.create_dataset(f"{group}/{STATE}", data=text))
    return made


def _empty(file: h5py.File, path: str, array: LoggedArray) -> h5py.Dataset:
    if array.nbytes < _SMALL:
        return _named(file, file.create_dataset(path, array.shape, array.dtype))
    settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    settings.set_layout(h5py.h5d.CONTIGUOUS)
    settings.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    # Its place in the file at once, and no zeros there that would be part of the change.
    made = file.create_dataset(path, array.shape, array.dtype, dcpl=settings, fill_time="never")
    return _named(file, made)


def _named(file: h5py.File, dataset: h5py.Dataset) -> h5py.Dataset:
    """Give the axes of an array names, without which some readers open no file."""
    for axis, size in enumerate(dataset.shape):
        dataset.dims[axis].attach_scale(dimension(file, f"checkpoint.axis{axis}.{size}", size))
    return dataset


def _copy(source: Path, target: Path, places: list[tuple[int, int, int]]) -> None:
    with source.open("rb") as reading, target.open("r+b", buffering=0) as writing:
        for start, offset, count in places:
            reading.seek(start)
            for done in range(0, count, _PIECE):
                data = memoryview(reading.read(min(_PIECE, count - done)))
                at = offset + done
                while data:
                    written = os.pwrite(writing.fileno(), data, at)
                    at, data = at + written, data[written:]


def _aligned(offset: int) -> int:
    return -(-offset // _ALIGNMENT) * _ALIGNMENT
