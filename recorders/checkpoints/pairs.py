"""Two recordings side by side: which arrays both have, what is unlike in them, and which of their rows are equal."""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..reading.recording import Recording, open_recording
from ..reading.series import Series
from ..ring.layout import is_absent

# What may be compared: a recording that is open, or the path of one.
Source = str | os.PathLike[str] | Recording
# So much of each side is in memory at a time.
_MOST_BYTES = 2**26


@dataclass(frozen=True, eq=False)
class ArrayPair:
    """One array of both recordings, (T, ...) each, and which of their rows are of the same steps, (K,) each."""

    a: Series
    b: Series
    rows_a: np.ndarray
    rows_b: np.ndarray

    def __len__(self) -> int:
        return len(self.rows_a)

    def rows(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the values of some common rows on either side."""
        x, y = (_taken(each, rows[start:stop]) for each, rows in ((self.a, self.rows_a), (self.b, self.rows_b)))
        # An older file has float16 as it was, a newer one as float32.
        both = np.promote_types(x.dtype, y.dtype)
        return x.astype(both, copy=False), y.astype(both, copy=False)

    def unequal(self, start: int, stop: int) -> np.ndarray:
        """Return which elements of some common rows are not equal."""
        x, y = self.rows(start, stop)
        apart = unequal(x, y)
        return apart if self._tells_absence else apart & ~(np.isnan(x) & np.isnan(y))

    def differs(self, row: int) -> bool:
        """Whether a common row is not equal."""
        return bool(self.unequal(row, row + 1).any())

    def first_different(self, stop: int) -> int | None:
        """Return the first of the common rows up to *stop* that is not equal, reading them one after another."""
        for first, last in self.blocks(stop):
            apart = self.unequal(first, last).reshape(last - first, -1).any(axis=1)
            if apart.any():
                return first + int(np.argmax(apart))
        return None

    def blocks(self, stop: int) -> Iterator[tuple[int, int]]:
        """Give stretches of the common rows up to *stop*, in whole chunks where they have room in memory."""
        height = max(1, _MOST_BYTES // max(1, self.a.dtype.itemsize * int(np.prod(self.a.shape[1:]))))
        chunk = max((each.chunks or (1,))[0] for each in (self.a, self.b))
        height = height // chunk * chunk or height
        # A scalar is read as its first difference comes up.
        height = min(height, chunk) if self.a.ndim == 1 else height
        return ((first, min(first + height, stop)) for first in range(0, stop, height))

    @cached_property
    def _tells_absence(self) -> bool:
        """Whether a scalar that was not logged is told from one that was NaN on both sides; older files do not."""
        if self.a.ndim > 1 or self.a.dtype != np.float64:
            return True
        return all(bool(is_absent(np.asarray(each.fill_value, np.float64))) for each in (self.a, self.b))


def unequal(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return which elements differ by their bits; 0.0 and -0.0 are equal, and so is a NaN to one of the same bits."""
    if x.dtype.kind == "c":
        return unequal(np.real(x), np.real(y)) | unequal(np.imag(x), np.imag(y))
    if x.dtype.kind != "f":
        return x != y
    bits = np.dtype(f"u{x.dtype.itemsize}")
    return (x.view(bits) != y.view(bits)) & (x != y)


@dataclass(frozen=True, eq=False)
class CommonRows:
    """Two recordings and their common rows: of the same steps, rows_a and rows_b (K,) each."""

    a: Recording
    b: Recording
    step: np.ndarray
    rows_a: np.ndarray
    rows_b: np.ndarray

    @classmethod
    def of(cls, a: Recording, b: Recording) -> "CommonRows":
        """Return two recordings with the rows whose steps both have."""
        one, other = a.step[:], b.step[:]
        if np.array_equal(one, other):
            every = np.arange(len(one))
            return cls(a, b, one, every, every)
        return cls(a, b, *np.intersect1d(one, other, assume_unique=True, return_indices=True))

    def pairs(self, group: str) -> dict[str, ArrayPair]:
        """Return the arrays of a group that both have in the same shape and dtype, by their names."""
        one, other = arrays_of(self.a, group), arrays_of(self.b, group)
        return {
            name: ArrayPair(one[name], other[name], self.rows_a, self.rows_b)
            for name in one
            if name in other and form(one[name]) == form(other[name])
        }


@contextmanager
def common_rows(a: Source, b: Source) -> Iterator[CommonRows]:
    """Open both recordings; a file that is given twice is one, whatever is written to it meanwhile."""
    with ExitStack() as stack:
        one = a if isinstance(a, Recording) else stack.enter_context(open_recording(a))
        if isinstance(b, Recording):
            other = b
        else:
            other = one if Path(b).exists() and Path(b).samefile(one.path) else stack.enter_context(open_recording(b))
        yield CommonRows.of(one, other)


GROUPS = ("parameters", "buffers", "probes", "features", "summaries")


def arrays_of(recording: Recording, group: str) -> Mapping[str, Series]:
    """Return the arrays of a group by name; of what is derived, only that whose matrix was not recorded."""
    if group == "scalars":
        return recording.scalars
    if group == "parameters":
        return recording.parameters
    if group == "buffers":
        return recording.buffers
    if group == "probes":
        return recording.probes
    if group == "summaries":
        return {
            f"{name}/{quantity}": series
            for name, quantities in recording.summaries.items()
            for quantity, series in quantities.items()
        }
    return {
        f"{name}/{quantity}": series
        for name, quantities in recording.features.items()
        if name not in recording.parameters
        for quantity, series in quantities.items()
    }


def form(series: Series) -> str:
    """Return the shape of a row and the dtype in the model, in words."""
    dtype = series.attrs.get("origin_dtype", series.dtype.name)
    return f"{' × '.join(map(str, series.shape[1:])) or 'one number'} {dtype}"


def _taken(series: Series, rows: np.ndarray) -> Any:
    """Return some rows, which increase; those that follow one another are read in one piece."""
    if len(rows) and int(rows[-1]) - int(rows[0]) + 1 == len(rows):
        return series[int(rows[0]) : int(rows[-1]) + 1]
    return series[rows]
