"""How a compact recording lies in its file: what is read by features feature by feature, matrices row by row."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import h5py
import numpy as np

from ..file.feature_major import chunk_rows, is_feature_major

# What is held in memory at a time: so many rows of all features are one chunk of each.
_SLAB_BYTES = 2**27
# A chunk of one feature, where there are few of them: what other readers keep in their caches.
_HISTORY_BYTES = 2**20
# A chunk of rows: small enough that one row costs little, large enough to be read at the disk's speed.
_ROWS_BYTES = 2**17
# A recording that goes on has chunks of so many rows at least; one that is shorter gains nothing by another order.
_LEAST_ROWS = 1024


@dataclass(frozen=True)
class Piece:
    """What is read, written and checked at a time: some rows of some of the elements of an array."""

    path: str
    rows: slice
    elements: tuple[slice, ...]

    @property
    def key(self) -> tuple[slice, ...]:
        """The index of the piece in its array."""
        return (self.rows, *self.elements)


def compact_chunks(path: str, shape: tuple[int, ...], dtype: np.dtype) -> tuple[int, ...]:
    """Return the chunks of an array, (T, ...), in a compact recording.

    Features are read one by one over all rows, and so is what has one number, or one for each member, a row: a chunk
    has many rows of one element, as many as fit into memory with all elements. A parameter is read matrix by matrix,
    for polytopes, motion and pictures: W[t] is in one chunk, and W[:, i, j] costs a pass over the parameter.
    """
    rows, *row = shape
    row_bytes = max(1, math.prod(row) * dtype.itemsize)
    if _is_read_by_columns(path, len(row)) and rows >= _LEAST_ROWS and math.prod(row):
        most = min(max(_SLAB_BYTES // row_bytes, _LEAST_ROWS), _HISTORY_BYTES // dtype.itemsize)
        # As even as can be, since a chunk that is part filled takes the room of a full one.
        return (math.ceil(rows / math.ceil(rows / most)), *(1 for _ in row))
    return (min(_LEAST_ROWS, max(1, _ROWS_BYTES // row_bytes)), *(max(1, size) for size in row))


def pieces(path: str, dataset: h5py.Dataset) -> Iterator[Piece]:
    """Give the pieces of an array, whole chunks each, in the order in which they are written."""
    (rows, *row), itemsize, in_chunk = dataset.shape, dataset.dtype.itemsize, chunk_rows(dataset)
    tiles: list[tuple[slice, ...]] = [()]
    if is_feature_major(dataset.chunks):
        tiles, at_once = list(_tiles(tuple(row), max(1, _SLAB_BYTES // (in_chunk * itemsize)))), in_chunk
    else:
        at_once = in_chunk * max(1, _SLAB_BYTES // (in_chunk * max(1, math.prod(row) * itemsize)))
    for start in range(0, rows, at_once):
        yield from (Piece(path, slice(start, min(start + at_once, rows)), tile) for tile in tiles)


def _is_read_by_columns(path: str, axes: int) -> bool:
    group = path.partition("/")[0]
    return axes == 0 or group == "features" or (group == "probes" and axes == 1)


def _tiles(shape: tuple[int, ...], most: int) -> Iterator[tuple[slice, ...]]:
    """Give the parts of a row, in its order, that have so many elements at most."""
    if not shape:
        yield ()
        return
    each = math.prod(shape[1:])
    if each > most:
        for index in range(shape[0]):
            yield from ((slice(index, index + 1), *rest) for rest in _tiles(shape[1:], most))
    else:
        for start in range(0, shape[0], most // each):
            yield (slice(start, min(start + most // each, shape[0])), *(slice(0, size) for size in shape[1:]))
