"""A recording or a sweep as a table: a row for each step or model, read some rows at a time."""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .contents import Array, Block, Contents, blocks


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
    """Return the columns: first the coordinates, then the arrays that have elements, the parts of complex ones apart.

    Each bears the array's name within its group with dots for slashes, such as W.dimensionality; where two would be
    called the same, its whole path; and where even these are the same, that path with its slashes.
    """
    leading = tuple(range(len(contents.index)))
    found = [(contents.coordinates[name], (k,)) for k, name in enumerate(contents.index)]
    filled = [array for array in contents.arrays if math.prod(array.shape[len(leading) :])]
    found += [(part, leading) for array in filled for part in array.parts()]
    paths = [array.path for array, _ in found]
    names = [array.name.replace("/", ".") for array, _ in found]
    for longer in ([path.replace("/", ".") for path in paths], paths):
        known = Counter(names)
        names = [other if known[name] > 1 else name for name, other in zip(names, longer, strict=True)]
    return [Column(name, *each) for name, each in zip(names, found, strict=True)]


def batches(contents: Contents, most_bytes: int) -> Iterator[list[np.ndarray]]:
    """Give the table some rows at a time, each column as (rows, *shape)."""
    chosen = columns(contents)
    row_bytes = sum(column.array.dtype.itemsize * math.prod(column.shape) for column in chosen)
    for block in blocks(contents.shape, row_bytes, most_bytes):
        yield [column.read(block) for column in chosen]
