"""Reading whole chunks: what a program is given rows at a time is unpacked, or gathered from columns, only once."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .contents import Array, Block, Contents

# What is kept of all arrays together, and what is read of one at least.
_MOST_BYTES, _LEAST_BYTES = 2**28, 2**24


def in_slabs(contents: Contents, *, side_by_side: bool) -> Contents:
    """Return contents whose arrays are read so many whole chunks at a time as have room, each chunk once.

    That is for reading in order. side_by_side: some rows of all arrays are read before the next rows of any, so that
    they share the room, as they need it. A chunk without room is read a part at a time, and unpacked for each of them.
    """
    needs = {array.path: _chunk_bytes(array, array.shape[1:]) for array in contents.everything if array.chunk_rows > 1}

    def wrapped(array: Array) -> Array:
        if array.path not in needs:
            return array
        share = needs[array.path] / sum(needs.values()) if side_by_side else 1
        most_bytes = max(1, int(_MOST_BYTES * share))
        return replace(array, read=_Slabs(array, most_bytes).read)

    coordinates = {name: wrapped(array) for name, array in contents.coordinates.items()}
    return replace(contents, coordinates=coordinates, arrays=[wrapped(array) for array in contents.arrays])


class _Slabs:
    """An array with the rows that were read last of some of its elements, until the last row was asked for."""

    def __init__(self, array: Array, most_bytes: int):
        self._array = array
        self._most_bytes = most_bytes
        self._at: Block = ()
        self._kept = np.empty(0, array.dtype)

    def read(self, block: Block) -> np.ndarray:
        """Return a block of the array."""
        (rows, *rest), (length, *_) = block, self._array.shape
        at_once = self._rows_at_once(rest)
        parts = []
        for start in range(rows.start // at_once * at_once, rows.stop, at_once):
            slab = self._slab((slice(start, min(start + at_once, length)), *rest))
            # Of its own, since whoever keeps it would keep the slab.
            parts.append(slab[max(rows.start - start, 0) : rows.stop - start].copy("C"))
        if rows.stop == length:
            self._forget()
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _slab(self, at: Block) -> np.ndarray:
        if at != self._at:
            # Not two of them at a time.
            self._forget()
            self._kept, self._at = self._array.read(at), at
        return self._kept

    def _forget(self) -> None:
        self._kept, self._at = np.empty(0, self._array.dtype), ()

    def _rows_at_once(self, elements: Sequence[slice]) -> int:
        """Return how many rows of some elements are read at a time: some chunks of them, or a part of one."""
        chunk_rows, row = self._array.chunk_rows, self._array.shape[1:]
        chunk_bytes = _chunk_bytes(self._array, [len(range(n)[part]) for n, part in zip(row, elements, strict=True)])
        if chunk_bytes > self._most_bytes:
            return math.ceil(chunk_rows / math.ceil(chunk_bytes / self._most_bytes))
        return chunk_rows * max(1, min(_LEAST_BYTES, self._most_bytes) // chunk_bytes)


def _chunk_bytes(array: Array, shape: Sequence[int]) -> int:
    """Return how many bytes so much of a row takes over the rows of a chunk."""
    return max(1, array.chunk_rows * math.prod(shape) * array.dtype.itemsize)
