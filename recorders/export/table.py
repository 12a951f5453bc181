"""A recording or a sweep as a table: a row for each step or model, read some rows at a time."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .contents import Array, Block, Contents, blocks
from .names import column_names, without_complex


@dataclass(frozen=True)
class Column:
    """A column of the table: an array without its leading axes, or a coordinate along one of those."""

    name: str
    array: Array
    # The leading axes along which the array lies.
    along: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one row of it."""
        return self.array.shape[len(self.along) :]

    def read(self, block: Block) -> np.ndarray:
        """Return the rows of a block of the leading axes, (rows, *shape)."""
        values = self.array.read((*(block[k] for k in self.along), *map(slice, self.shape)))
        sizes = [part.stop - part.start for part in block]
        if len(self.along) < len(block):
            own = [size if k in self.along else 1 for k, size in enumerate(sizes)]
            values = np.broadcast_to(values.reshape(own), sizes)
        return values.reshape(math.prod(sizes), *self.shape)


def columns(contents: Contents) -> list[Column]:
    """Return the columns: first the coordinates, then the arrays, the parts of complex ones apart."""
    leading = tuple(range(len(contents.index)))
    found = [(contents.coordinates[name], (k,)) for k, name in enumerate(contents.index)]
    found += [(array, leading) for array in without_complex(contents.arrays)]
    names = column_names([array for array, _ in found], [len(array.shape) - len(along) for array, along in found])
    return [Column(name, *each) for name, each in zip(names, found, strict=True)]


def batches(contents: Contents, most_bytes: int) -> Iterator[list[np.ndarray]]:
    """Give the table some rows at a time, each column as (rows, *shape)."""
    chosen = columns(contents)
    row_bytes = sum(column.array.dtype.itemsize * math.prod(column.shape) for column in chosen)
    for block in blocks(contents.shape, row_bytes, most_bytes):
        yield [column.read(block) for column in chosen]
