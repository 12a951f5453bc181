"""Reading arrays in which the history of each feature lies in one piece: columns at the speed of the disk.

HDF5 puts the elements of such a slice where they belong one by one, which takes thirty times as long as reading them.
Here each feature's rows go from the file into one row of the result, many features with one call of the system.
"""

import os
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import h5py
import numpy as np

from .compression import is_compressed

_NOWHERE = -1
# Pieces of the file this near to each other are read together with what lies between them, in bytes.
_GAP = 2**16
# The system takes so many pieces at a time, and what is asked of it at once should not be more than this, in bytes.
_MOST_PIECES, _MOST_BYTES = 1000, 2**26
# The system is told so far ahead what comes, in bytes: a disk is fastest with much to do.
_AHEAD_BYTES = 2**27


def is_feature_major(chunks: tuple[int, ...] | None) -> bool:
    """Whether chunks of this shape, (rows, ...), hold many rows of one element each."""
    return chunks is not None and len(chunks) > 1 and chunks[0] > 1 and set(chunks[1:]) == {1}


def chunk_rows(dataset: h5py.Dataset) -> int:
    """Return how many rows a chunk of *dataset* has."""
    assert dataset.chunks is not None
    return dataset.chunks[0]


class FeatureMajor:
    """A feature-major array of an open file, (T, ...), with the places of its chunks, which are looked up once."""

    def __init__(self, dataset: h5py.Dataset):
        self.dataset = dataset
        self._descriptor = _descriptor(dataset)
        self._places = np.empty(0, np.int64) if self._descriptor is None else _places(dataset)

    def read(self, rows: range, elements: Sequence[range]) -> np.ndarray:
        """Return some rows of some elements; each element's rows lie in one piece of memory.

        Shapes: *elements* one range for each axis but the first -> (rows, ...), a transposed view.
        Raises OSError where the file cannot be read.
        """
        found = np.empty((*map(len, elements), len(rows)), self.dataset.dtype)
        if found.size:
            histories, columns = found.reshape(-1, len(rows)), list(product(*elements))
            if self._descriptor is None:
                self._read_by_hdf5(rows, columns, histories)
            elif rows.step == 1:
                self._read_raw(self._descriptor, rows, columns, histories)
            else:
                self._read_some_rows(self._descriptor, rows, columns, histories)
        return np.moveaxis(found, -1, 0)

    def _read_by_hdf5(self, rows: range, columns: Sequence[tuple[int, ...]], into: np.ndarray) -> None:
        # HDF5 is quick where memory has the shape of what is read, which h5py's own slices do not tell it.
        shape = (len(rows), *(1 for _ in columns[0]))
        memory, space = h5py.h5s.create_simple(shape), self.dataset.id.get_space()
        for column, history in zip(columns, into, strict=True):
            space.select_hyperslab((rows.start, *column), shape, (rows.step, *(1 for _ in column)))
            self.dataset.id.read(memory, space, history.reshape(shape))

    def _read_some_rows(
        self, descriptor: int, rows: range, columns: Sequence[tuple[int, ...]], into: np.ndarray
    ) -> None:
        """Read every so many rows: of some columns a chunk's rows from the first to the last of them, then those."""
        in_chunk, done = chunk_rows(self.dataset), 0
        while done < len(rows):
            end = (rows[done] // in_chunk + 1) * in_chunk
            part = rows[done : done + -(-(end - rows[done]) // rows.step)]
            dense = range(part[0], part[-1] + 1)
            at_once = max(1, _MOST_BYTES // (len(dense) * into.itemsize))
            for first in range(0, len(columns), at_once):
                some = columns[first : first + at_once]
                buffer = np.empty((len(some), len(dense)), into.dtype)
                self._read_raw(descriptor, dense, some, buffer)
                into[first : first + at_once, done : done + len(part)] = buffer[:, :: rows.step]
            done += len(part)

    def _read_raw(self, descriptor: int, rows: range, columns: Sequence[tuple[int, ...]], into: np.ndarray) -> None:
        calls = list(_merged(self._pieces(rows, columns, into)))
        sizes = [sum(each.nbytes for each in buffers) for _, buffers in calls]
        told = done = wanted = 0
        for (start, buffers), size in zip(calls, sizes, strict=True):
            while told < len(calls) and wanted <= done + _AHEAD_BYTES:
                _will_need(descriptor, calls[told][0], sizes[told])
                told, wanted = told + 1, wanted + sizes[told]
            if not _fill(descriptor, start, buffers, size):
                raise OSError(f"{self.dataset.file.filename} is truncated: it has no {size} bytes at {start}")
            done += size

    def _pieces(
        self, rows: range, columns: Sequence[tuple[int, ...]], into: np.ndarray
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Give where each piece of the rows lies in the file, and where it goes, in the order in which it was written.

        What was never written gets the fill value.
        """
        in_chunk, itemsize = chunk_rows(self.dataset), self.dataset.dtype.itemsize
        chosen = tuple(np.array(columns).T)
        for number in range(rows.start // in_chunk, -(-rows.stop // in_chunk)):
            chunk = number * in_chunk
            first, last = max(chunk, rows.start), min(chunk + in_chunk, rows.stop)
            places = self._places[(number, *chosen)].tolist()
            for place, piece in zip(places, into[:, first - rows.start : last - rows.start], strict=True):
                if place == _NOWHERE:
                    piece[:] = self.dataset.fillvalue
                else:
                    yield place + (first - chunk) * itemsize, piece


def _descriptor(dataset: h5py.Dataset) -> int | None:
    """Return the descriptor of the file if the values lie in it as they are; None if only HDF5 can read them.

    That is so where they are compressed, where the file is being written, and where it is read through a journal.
    """
    file = dataset.file.id
    if is_compressed(dataset) or file.get_intent() != h5py.h5f.ACC_RDONLY:
        return None
    if file.get_access_plist().get_driver() != h5py.h5fd.SEC2 or not hasattr(os, "preadv"):
        return None
    return file.get_vfd_handle()


def _places(dataset: h5py.Dataset) -> np.ndarray:
    """Return where each chunk lies in the file, (chunks, ...), in bytes from its beginning.

    HDF5 goes through all of them whichever it is asked for, so it is asked once.
    """
    in_chunk = chunk_rows(dataset)
    places = np.full((-(-len(dataset) // in_chunk), *dataset.shape[1:]), _NOWHERE, np.int64)

    def note(chunk: Any) -> None:
        row, *element = chunk.chunk_offset
        places[(row // in_chunk, *element)] = chunk.byte_offset

    dataset.id.chunk_iter(note)
    return places


def _will_need(descriptor: int, start: int, size: int) -> None:
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, start, size, os.POSIX_FADV_WILLNEED)


def _fill(descriptor: int, start: int, buffers: Sequence[Any], size: int) -> bool:
    """Read so many bytes, the sizes of the buffers together, one after another; False where the file ends before.

    The system may give fewer than there are, as on a network's disk.
    """
    found = os.preadv(descriptor, buffers, start)
    rest: list[Any] = [] if found == size else [each.reshape(-1).view(np.uint8) for each in buffers]
    while rest and found:
        start += found
        while rest and found >= rest[0].size:
            found -= rest.pop(0).size
        if rest:
            rest[0] = rest[0][found:]
            found = os.preadv(descriptor, rest, start)
    return not rest


def _merged(pieces: Iterator[tuple[int, np.ndarray]]) -> Iterator[tuple[int, list[Any]]]:
    """Give the pieces that are read by one call: where they start, and the buffers that they fill one after another."""
    start, end, buffers = 0, 0, list[Any]()
    for place, piece in pieces:
        between = place - end
        is_near = 0 <= between <= _GAP and len(buffers) < _MOST_PIECES and end - start < _MOST_BYTES
        if buffers and not is_near:
            yield start, buffers
            buffers = []
        if not buffers:
            start = end = place
        elif between:
            buffers.append(np.empty(between, np.uint8))
        buffers.append(piece)
        end = place + piece.nbytes
    if buffers:
        yield start, buffers
