"""Making the HDF5 file of a recording, format version 1, and the datasets within it."""

import math
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ...dynamics.errors import RecordingError
from ..ring.channels import Channel, stored_channels
from ..ring.layout import NAN
from .hdf5 import (
    BARE_DIMENSION,
    CHECKPOINTS,
    CONSTANTS,
    FORMAT,
    FORMAT_VERSION,
    GROUPS,
    LIBVER,
    dataset_at,
    make_dimension,
)
from .journal import put_in_place

# A chunk is what one read touches: large enough to be read at the disk's speed, small enough that a short run is a
# small file. Chunks are raw, because a part-filled compressed chunk is written again at every flush.
_CHUNK_BYTES, _CHUNK_ROWS = 2**17, 1024
# What a dataset takes beside its values, by its header, its attributes and its first index.
_DATASET_BYTES = 2**12
# All the first chunks together; many channels have smaller ones.
_FIRST_CHUNKS_BYTES, _SMALLEST_CHUNK_BYTES = 2**24, 2**12
# Chunks of summaries are so many times smaller.
_SHARE_OF_SUMMARIES = 4
# What is kept once, and its values.
Constant = tuple[Channel, np.ndarray]
# What lies beside the dimensions.
_NO_DIMENSIONS = ("time", "committed", *GROUPS, CONSTANTS, CHECKPOINTS)


@contextmanager
def new_file(
    path: Path,
    channels: Sequence[Channel],
    scalars: Iterable[str],
    *,
    config: str,
    token: str,
    attributes: Mapping[str, str | int] | None = None,
    constants: Iterable[Constant] = (),
) -> Iterator[Path]:
    """Make a recording without rows and give where; it is put at *path* afterwards, replacing what is there."""
    draft = path.with_name(f"{path.name}.new")
    stored = stored_channels(channels)
    try:
        with h5py.File(draft, "w", libver=LIBVER) as file:
            _write_attributes(file, config, token)
            file.attrs.update(attributes or {})
            _add_fixed(file)
            for channel in stored:
                add_channel(file, channel, 0, many=len(stored))
            for name in scalars:
                add_scalar(file, name, 0)
            for channel, values in constants:
                add_constant(file, channel, values)
        yield draft
        put_in_place(draft, path)
    except OSError as error:
        raise RecordingError(f"{path} cannot be created: {error.strerror or error}") from error
    finally:
        draft.unlink(missing_ok=True)


def create_file(path: Path, channels: Sequence[Channel], scalars: Iterable[str], **options: Any) -> None:
    """Make a recording without rows at *path*, whole or not at all; options: as for new_file()."""
    with new_file(path, channels, scalars, **options):
        pass


def add_scalar(file: h5py.File, name: str, rows: int) -> h5py.Dataset:
    """Make the dataset of a scalar, with so many rows of NaN."""
    return _add(file, f"scalars/{name}", (), np.dtype(np.float64), (), rows)


def add_channel(file: h5py.File, channel: Channel, rows: int, *, many: int = 1) -> h5py.Dataset:
    """Make the dataset of a channel, one of so many, with so many rows of its fill value."""
    many = _sharing(channel, many)
    dataset = _add(file, channel.path, channel.shape, channel.stored_dtype, channel.axes, rows, many=many)
    dataset.attrs.update(channel.attributes)
    return dataset


def add_constant(file: h5py.File, channel: Channel, values: np.ndarray) -> h5py.Dataset:
    """Write what is kept once, (*shape)."""
    _require_group(file, channel.path.rpartition("/")[0])
    dataset = file.create_dataset(channel.path, data=values)
    dataset.attrs.update(channel.attributes)
    _name_axes(dataset, channel.axes, channel.shape)
    return dataset


def _write_attributes(file: h5py.File, config: str, token: str) -> None:
    file.attrs.update(
        format=FORMAT,
        format_version=FORMAT_VERSION,
        status="recording",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        software=f"learning-dynamics {version('learning-dynamics')}, Python {platform.python_version()}",
        config=config,
        token=token,
    )


def _add_fixed(file: h5py.File) -> None:
    make_dimension(_add(file, "step", (), np.dtype(np.int64), (), 0), "step", 0)
    _add(file, "time", (), np.dtype(np.float64), (), 0).attrs["long_name"] = "seconds since the recording began"
    committed = file.create_dataset("committed", data=np.zeros(1, np.int64))
    committed.dims[0].attach_scale(dimension(file, "row_count", 1))
    for group in GROUPS[:3]:
        # They keep the order of the model, or of coming up.
        file.create_group(group, track_order=True)


def _add(
    file: h5py.File,
    path: str,
    shape: tuple[int, ...],
    dtype: np.dtype,
    axes: tuple[str, ...],
    rows: int,
    *,
    many: int = 1,
) -> h5py.Dataset:
    chunk_rows = _chunk_rows(shape, dtype, many)
    _require_group(file, path.rpartition("/")[0])
    dataset = file.create_dataset(
        path,
        shape=(rows, *shape),
        # HDF5 has no chunks without elements: an axis of none, in a shard that is empty, counts as one that may grow.
        maxshape=(None, *(size or None for size in shape)),
        chunks=(chunk_rows, *(max(1, size) for size in shape)),
        dtype=dtype,
        fillvalue=dtype.type(NAN) if dtype.kind in "fc" else None,
        # Rows that are there already hold the fill value.
        **({} if rows or chunk_rows > 1 else _placed_at_once()),
    )
    if path != "step":
        dataset.dims[0].attach_scale(dataset_at(file, "step"))
    _name_axes(dataset, axes, shape, first=1)
    return dataset


def _chunk_rows(shape: tuple[int, ...], dtype: np.dtype, many: int) -> int:
    """Return how many rows a chunk has of an array that is one of so many."""
    row_bytes = max(1, int(np.prod(shape, dtype=np.int64)) * dtype.itemsize)
    chunk_bytes = min(_CHUNK_BYTES, max(_SMALLEST_CHUNK_BYTES, _FIRST_CHUNKS_BYTES // many))
    return min(_CHUNK_ROWS, max(1, chunk_bytes // row_bytes))


def _sharing(channel: Channel, many: int) -> int:
    """Return among how many the first chunks are shared out: summaries have smaller ones, for which memory is kept."""
    return many * (_SHARE_OF_SUMMARIES if channel.group == "summaries" else 1)


def file_bytes(channels: Sequence[Channel], rows: int) -> int:
    """Return about how large the file of a recording gets, whose arrays come in whole chunks."""
    stored, number = stored_channels(channels), np.dtype(np.float64)
    kinds = [(each.shape, each.stored_dtype, _sharing(each, len(stored))) for each in stored] + [((), number, 1)] * 4
    chunks = ((_chunk_rows(*kind), kind) for kind in kinds)
    values = sum(
        -(-rows // height) * height * math.prod(shape) * dtype.itemsize for height, (shape, dtype, _) in chunks
    )
    return values + _DATASET_BYTES * len(kinds)


def _name_axes(dataset: h5py.Dataset, axes: tuple[str, ...], shape: tuple[int, ...], *, first: int = 0) -> None:
    for axis, (name, size) in enumerate(zip(axes, shape, strict=True), start=first):
        dataset.dims[axis].attach_scale(dimension(dataset.file, name.replace("/", "."), size))


def _placed_at_once() -> dict[str, Any]:
    """Return the settings of a dataset whose chunks get their place in the file when it grows, and nothing in it."""
    settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    settings.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    return {"dcpl": settings, "fill_time": "never"}


def _require_group(file: h5py.File, path: str) -> None:
    parts = path.split("/") if path else []
    for end in range(1, len(parts) + 1):
        group = "/".join(parts[:end])
        if group not in file:
            file.create_group(group, track_order=True)


def dimension(file: h5py.File, name: str, size: int) -> h5py.Dataset:
    """Return the dimension scale of that name, in the way of netCDF-4; the first use makes it."""
    if name not in file:
        number = len(file) - sum(other in file for other in _NO_DIMENSIONS)
        make_dimension(file.create_dataset(name, shape=(size,), dtype=np.float32), BARE_DIMENSION % size, number)
    return dataset_at(file, name)
