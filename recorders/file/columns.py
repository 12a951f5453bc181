"""The datasets of a recording that is being written, each of which grows by the rows that come."""

import math
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
from h5py.h5i import dec_ref

from .direct_io import DirectWriter
from .hdf5 import array_paths, dataset_at

# Of HDF5's chunk cache: a prime number, several times that of the chunks it holds.
_CACHE_SLOTS = 11


class Columns:
    """The arrays of an open file that have an entry for each row, by path; those of large rows are written directly."""

    def __init__(self, file: h5py.File, path: Path):
        self.datasets = {name: _with_small_cache(dataset_at(file, name)) for name in array_paths(file)}
        # Those with large rows, each a chunk of its own.
        self._by_chunks = {name for name, each in self.datasets.items() if each.chunks == (1, *each.shape[1:])}
        self._direct = DirectWriter(path)

    def extend(self, start: int, stop: int, columns: Mapping[str, np.ndarray]) -> None:
        """Make all arrays *stop* rows long and write the new ones; where *columns* has none, they hold fill values."""
        for path, dataset in self.datasets.items():
            if path in self._by_chunks:
                self._extend_by_chunks(dataset, start, stop, columns.get(path))
            else:
                _extend(dataset.id, start, stop, columns.get(path))

    def _extend_by_chunks(self, dataset: h5py.Dataset, start: int, stop: int, values: np.ndarray | None) -> None:
        # Each row is handed over as it is, where HDF5 would copy it once more.
        row = dataset.shape[1:]
        dataset.id.set_extent((stop, *row))
        if values is None:
            values = np.full((stop - start, *row), dataset.fillvalue, dataset.dtype)
        for k, value in enumerate(values, start):
            if not self._direct.write(dataset.id, k, value):
                _write_chunk(dataset.id, k, value)

    def fill_places(self) -> None:
        """Write to every place that was given to a large row, or HDF5 finds the file too short when it closes it."""
        for path in self._by_chunks:
            dataset = self.datasets[path]
            if len(dataset):
                _write_chunk(dataset.id, len(dataset) - 1, np.zeros(dataset.shape[1:], dataset.dtype))

    def close(self) -> None:
        """Let go of the file, as far as it was open for writing directly."""
        self._direct.close()


def _write_chunk(dataset: h5py.h5d.DatasetID, row: int, values: np.ndarray) -> None:
    dataset.write_direct_chunk((row, *(0 for _ in values.shape)), np.ascontiguousarray(values))


def _extend(dataset: h5py.h5d.DatasetID, start: int, stop: int, values: np.ndarray | None) -> None:
    """Make a dataset longer and write its new rows, those of none are left to its fill value.

    h5py's slices do the same in three times as long, which is felt where a training writes small rows by itself.
    """
    row = dataset.get_space().shape[1:]
    dataset.set_extent((stop, *row))
    if values is not None:
        target = dataset.get_space()
        target.select_hyperslab((start, *(0 for _ in row)), (stop - start, *row))
        source = h5py.h5s.create_simple((stop - start, *row))
        dataset.write(source, target, np.ascontiguousarray(values))


def _with_small_cache(dataset: h5py.Dataset) -> h5py.Dataset:
    """Return *dataset* opened so that HDF5 keeps in memory no more than the chunk that grows and the one before.

    By itself HDF5 keeps 8 MB of every dataset, which for a model of many parameters is more than there is. A chunk of
    one row is written whole, past the cache.
    """
    chunks = dataset.chunks or (1,)
    chunk_bytes = math.prod(chunks) * dataset.dtype.itemsize
    access = h5py.h5p.create(h5py.h5p.DATASET_ACCESS)
    access.set_chunk_cache(_CACHE_SLOTS, 2 * chunk_bytes if chunks[0] > 1 else 0, 1.0)
    file, name = dataset.file, str(dataset.name)
    # The settings of whoever has it open already would go on.
    dec_ref(dataset.id)
    return h5py.Dataset(h5py.h5d.open(file.id, name.encode(), access))
