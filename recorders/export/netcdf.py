"""Writing netCDF-4: the groups of the recording, without what only a recorder needs."""

import io
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import h5py
import numpy as np

from ..file.hdf5 import BARE_DIMENSION, make_dimension
from .contents import Array, Contents, blocks
from .names import without_complex

_BLOCK_BYTES = 2**24


def write(contents: Contents, path: Path) -> None:
    """Write each array under its path in the recording, in one contiguous piece, with named axes.

    netCDF-4 has no complex numbers, no 16-bit floats and no truth values: they are written as a real and an imaginary
    part, as 32-bit floats, and as bytes with the attribute dtype="bool", by which xarray knows them.
    """
    # In the order in which they are made, arrays are found again, also by the netCDF library.
    with _Sink(path, "w+b") as sink, h5py.File(sink, "w", track_order=True) as file:
        file.attrs.update(contents.attributes)
        for k, (name, array) in enumerate(contents.coordinates.items()):
            dtype = h5py.string_dtype() if array.dtype.kind == "U" else array.dtype
            dataset = file.create_dataset(name, array.shape, dtype)
            make_dimension(dataset, name, k)
            _fill(dataset, array, sink)
        numbers = count(len(contents.coordinates))
        for array in map(_known_to_netcdf, without_complex([*contents.arrays, *contents.constants])):
            _fill(_dataset(file, array, numbers), array, sink)
        file.flush()
        sink.check()


class _Sink(io.FileIO):
    """A file that takes what cannot be written as if it could, and tells of it when it is asked.

    HDF5 crashes the process when it closes a file that it cannot finish.
    """

    _error: OSError | None = None

    def write(self, data: "memoryview | bytes", /) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Write all of it, or nothing after an error."""
        rest = memoryview(data).cast("B")
        try:
            while rest and self._error is None:
                rest = rest[super().write(rest) :]
        except OSError as error:
            self._error = error
        return memoryview(data).nbytes

    def truncate(self, size: int | None = None, /) -> int:
        """Give the file this length, unless there was an error."""
        return super().truncate(size) if self._error is None else 0

    def check(self) -> None:
        """Raise the error of what could not be written."""
        if self._error is not None:
            raise self._error


def _known_to_netcdf(array: Array) -> Array:
    if array.dtype == np.float16:
        return array.converted(np.dtype(np.float32), {"origin_dtype": "float16"})
    if array.dtype == np.bool_:
        return array.converted(np.dtype(np.int8), {"dtype": "bool"})
    return array


def _dataset(file: h5py.File, array: Array, numbers: Iterator[int]) -> h5py.Dataset:
    """Make the dataset of an array, its groups, and those of its axes that are new, which get the next *numbers*."""
    group: h5py.Group = file
    for name in array.path.split("/")[:-1]:
        found = group.get(name)
        group = found if isinstance(found, h5py.Group) else group.create_group(name, track_order=True)
    dataset = group.create_dataset(array.path.rpartition("/")[2], array.shape, array.dtype)
    for k, (axis, size) in enumerate(zip(array.axes, array.shape, strict=True)):
        if axis not in file:
            make_dimension(file.create_dataset(axis, (size,), np.float32), BARE_DIMENSION % size, next(numbers))
        scale = file[axis]
        assert isinstance(scale, h5py.Dataset)
        dataset.dims[k].attach_scale(scale)
    return dataset


def _fill(dataset: h5py.Dataset, array: Array, sink: _Sink) -> None:
    dataset.attrs.update(array.attributes)
    for block in blocks(array.shape, array.dtype.itemsize, _BLOCK_BYTES):
        values = array.read(block)
        dataset[block] = values.astype(object) if values.dtype.kind == "U" else values
        sink.check()
