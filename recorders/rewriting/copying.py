"""Writing a recording anew, array by array in other chunks: what is there first, how values go over."""

import math
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import h5py
import numpy as np

from ..file.compression import is_compressed
from ..file.feature_major import chunk_rows, is_feature_major
from ..file.hdf5 import OF_AXES, dataset_at
from ..reading.recording import Recording, snapshot_of
from ..reading.series import Series
from .chunking import Piece, compact_chunks

# Rows are turned into columns so much at a time, which a core's own cache holds.
_TURNED_BYTES = 2**20


def arrays_of(recording: Recording) -> dict[str, Series]:
    """Return all arrays of a recording that have an entry for each row, by their paths."""
    arrays = {"step": recording.step, "time": recording.time}
    for group in ("scalars", "parameters", "probes", "buffers"):
        arrays.update((f"{group}/{name}", series) for name, series in getattr(recording, group).items())
    for group, nested in (("features", recording.features), ("summaries", recording.summaries)):
        for name, quantities in nested.items():
            arrays.update((f"{group}/{name}/{quantity}", series) for quantity, series in quantities.items())
    return arrays


def make_skeleton(recording: Recording, file: h5py.File, filters: Mapping[str, Any]) -> None:
    """Make in an empty file what the recording's file has but for its rows, and room for all of those."""
    source, arrays = snapshot_of(recording).node("/"), arrays_of(recording)
    assert isinstance(source, h5py.Group)
    _copy_attributes(source, file)
    # The scale of the rows comes first, which the others refer to.
    for path in ("step", *_paths(source), *arrays):
        if path not in file:
            _make_node(source.get(path), file, path, arrays.get(path), filters)
    dataset_at(file, "committed")[0] = len(recording)
    for path in list(_paths(file)):
        _attach_scales(source.get(path), file, path)


def read(series: Series, piece: Piece, chunks: tuple[int, ...] | None) -> np.ndarray:
    """Return the values of a piece in the order of chunks of that shape: (..., rows) or (rows, ...)."""
    if not is_feature_major(chunks):
        return np.ascontiguousarray(series[piece.key])
    if is_feature_major(series.chunks):
        return np.ascontiguousarray(np.moveaxis(series[piece.key], 0, -1))
    count = piece.rows.stop - piece.rows.start
    values = np.empty((*(part.stop - part.start for part in piece.elements), count), series.dtype)
    at_once = max(1, _TURNED_BYTES // (math.prod(series.shape[1:]) * series.dtype.itemsize))
    for start in range(0, count, at_once):
        rows = slice(piece.rows.start + start, piece.rows.start + min(start + at_once, count))
        values[..., start : start + at_once] = np.moveaxis(series[(rows, *piece.elements)], 0, -1)
    return values


def write(dataset: h5py.Dataset, piece: Piece, values: np.ndarray) -> None:
    """Write the values of a piece, in the order of :func:`read`."""
    if not is_feature_major(dataset.chunks):
        dataset[piece.key] = values
        return
    whole = values.shape[-1] == chunk_rows(dataset) and not is_compressed(dataset)
    for index in np.ndindex(values.shape[:-1]):
        place = (piece.rows.start, *(part.start + k for part, k in zip(piece.elements, index, strict=True)))
        if whole:
            dataset.id.write_direct_chunk(place, values[index])
        else:
            _write_history(dataset, place, values[index])


def fingerprint(values: np.ndarray) -> int:
    """Return what tells values in one piece of memory from others, whichever bits of them differ."""
    return zlib.crc32(values.reshape(-1).view(np.uint8).data) if values.size else 0


def _write_history(dataset: h5py.Dataset, place: tuple[int, ...], values: np.ndarray) -> None:
    shape, space = (len(values), *(1 for _ in place[1:])), dataset.id.get_space()
    space.select_hyperslab(place, shape)
    dataset.id.write(h5py.h5s.create_simple(shape), space, values)


def _paths(group: h5py.Group) -> Iterator[str]:
    """Give where everything lies in a file, in the order in which each group lists it."""
    for node in group.values():
        yield str(node.name).removeprefix("/")
        if isinstance(node, h5py.Group):
            yield from _paths(node)


def _copy_attributes(source: h5py.Group | h5py.Dataset, target: h5py.Group | h5py.Dataset) -> None:
    target.attrs.update({name: value for name, value in source.attrs.items() if name not in OF_AXES})


def _make_node(node: Any, file: h5py.File, path: str, series: Series | None, filters: Mapping[str, Any]) -> None:
    if isinstance(node, h5py.Group):
        made: h5py.Group | h5py.Dataset = file.create_group(path, track_order=True)
    elif series is None:
        made = file.create_dataset(path, data=node[()])
    else:
        made = _make_array(node, file, path, series, filters)
    if node is not None:
        _copy_attributes(node, made)
        if isinstance(node, h5py.Dataset) and isinstance(made, h5py.Dataset) and node.is_scale:
            scale: Any = node.attrs["NAME"]
            made.make_scale(scale.decode())
            made.attrs.update({name: value for name, value in node.attrs.items() if name == "_Netcdf4Dimid"})


def _make_array(
    node: h5py.Dataset | None, file: h5py.File, path: str, series: Series, filters: Mapping[str, Any]
) -> h5py.Dataset:
    chunks, floats = compact_chunks(path, series.shape, series.dtype), series.dtype.kind in "fc"
    settings: dict[str, Any] = dict(filters)
    if node is not None and chunks[0] == 1 and not filters and not is_compressed(node):
        # A row that is a chunk keeps how it gets its place in the file, so that the recording can go on as it was.
        settings["dcpl"] = node.id.get_create_plist()
    return file.create_dataset(
        path,
        shape=series.shape,
        maxshape=(None, *(size or None for size in series.shape[1:])),
        chunks=chunks,
        dtype=series.dtype,
        fillvalue=series.dtype.type(series.fill_value) if floats else None,
        **settings,
    )


def _attach_scales(node: Any, file: h5py.File, path: str) -> None:
    if isinstance(node, h5py.Dataset):
        for axis, dimension in enumerate(node.dims):
            for scale in dimension.values():
                dataset_at(file, path).dims[axis].attach_scale(dataset_at(file, str(scale.name)))
    elif isinstance(file[path], h5py.Dataset):
        # A scalar that lay in the ring only.
        dataset_at(file, path).dims[0].attach_scale(dataset_at(file, "step"))
