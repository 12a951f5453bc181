"""What is exported: named arrays with axes and attributes, read block by block."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

# Which part of an array: one slice for each of its axes.
Block = tuple[slice, ...]


@dataclass(frozen=True)
class Array:
    """One array: its path in the recording, such as features/W/dimensionality, and how a block of it is read.

    chunk_rows: so many rows, counted from the first, are to be read together because they are unpacked together.
    """

    path: str
    axes: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype
    attributes: Mapping[str, Any]
    read: Callable[[Block], np.ndarray]
    chunk_rows: int = 1

    @property
    def name(self) -> str:
        """The path without the group; the whole of it where there is none."""
        return self.path.partition("/")[2] or self.path

    @property
    def nbytes(self) -> int:
        """How many bytes it has in all."""
        return math.prod(self.shape) * self.dtype.itemsize

    def converted(self, dtype: np.dtype, attributes: Mapping[str, Any]) -> "Array":
        """Return it with values of another dtype, and with more attributes."""
        return replace(
            self,
            dtype=dtype,
            attributes={**self.attributes, **attributes},
            read=lambda block: self.read(block).astype(dtype),
        )


@dataclass(frozen=True)
class Contents:
    """The arrays of a recording or of a sweep.

    index names the leading axes that all arrays share, which number the rows of a table, and which constants have not;
    coordinates are the values along axes, by name.
    """

    source: Path
    index: tuple[str, ...]
    coordinates: Mapping[str, Array]
    arrays: Sequence[Array]
    attributes: Mapping[str, Any]
    constants: Sequence[Array] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """How long the leading axes are."""
        return tuple(self.coordinates[name].shape[0] for name in self.index)

    @property
    def everything(self) -> list[Array]:
        """The coordinates, the arrays and the constants."""
        return [*self.coordinates.values(), *self.arrays, *self.constants]

    @property
    def nbytes(self) -> int:
        """How many bytes all arrays have."""
        return sum(array.nbytes for array in self.everything)


def block_shape(shape: Sequence[int], itemsize: int, most_bytes: int) -> tuple[int, ...]:
    """Return the shape of the largest blocks of at most so many bytes that are each in one piece in C order.

    Those are whole along the last axes and one long along the first ones; a block has one element at least.
    """
    room, sizes = max(1, most_bytes // itemsize), []
    for size in reversed(shape):
        sizes.append(max(1, min(size, room)))
        room //= sizes[-1]
    return tuple(reversed(sizes))


def blocks(shape: Sequence[int], itemsize: int, most_bytes: int) -> Iterator[Block]:
    """Cut an array into such blocks, in C order; an array without elements has none."""
    cuts = [
        [slice(start, min(start + part, size)) for start in range(0, size, part)]
        for size, part in zip(shape, block_shape(shape, itemsize, most_bytes), strict=True)
    ]
    return product(*cuts)
