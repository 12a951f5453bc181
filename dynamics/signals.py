"""Signals larger than memory: what is read when it is sliced, a few columns or a few rows at a time."""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any, Protocol

import numpy as np

# So many bytes of a signal are in memory at a time.
MOST_BYTES = 2**28
# Of a file that stores rows more stripes than this are read faster once it was turned.
_MOST_STRIPES = 4


class Signal(Protocol):
    """An array that is read when it is sliced: a NumPy array, a dataset in a file, a series of a recording.

    It may have an attribute *chunks*: the shape of what a file reads at once, or None; and a method *turned()*, whose
    context is a signal with the same columns that are read one after another.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, ...), a row for each step."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the values."""
        ...

    @property
    def ndim(self) -> int:
        """How many axes there are, that of the rows included."""
        ...

    def __getitem__(self, key: Any, /) -> Any:
        """Return the rows of a slice, or of a tuple of slices the part that they cut out."""
        ...


def sliceable(values: Any) -> Signal:
    """Return *values* as they are where they can be sliced with a shape and a NumPy dtype, else as a NumPy array."""
    has_shape = hasattr(values, "shape") and hasattr(values, "ndim") and hasattr(values, "__getitem__")
    return values if has_shape and isinstance(getattr(values, "dtype", None), np.dtype) else np.asarray(values)


def stripes(signal: Signal, *, most_bytes: int = MOST_BYTES) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield the columns of *signal* (T, n) in order, as slices and their values (T, k), within *most_bytes*.

    An array in memory is one stripe, without a copy; so is what has room within most_bytes. Of anything else the next
    stripe is read while the one before it is looked at, and both have room. A stripe is at least one column, and whole
    chunks where these have room, so that a file that stores features one after another is read once. One that stores
    rows is gone through for each stripe, or turned where these are many.
    """
    n = signal.shape[1]
    width = n if isinstance(signal, np.ndarray) else _width(signal, most_bytes)
    columns = [slice(first, min(first + width, n)) for first in range(0, n, max(width, 1))]
    turned = getattr(signal, "turned", None) if len(columns) > _MOST_STRIPES and _chunk(signal, 1) > width else None
    with nullcontext(signal) if turned is None else turned() as by_columns:
        yield from _read_ahead(by_columns, columns)


def _read_ahead(signal: Signal, columns: list[slice]) -> Iterator[tuple[slice, np.ndarray]]:
    if len(columns) <= 1:
        yield from ((each, _read(signal, each)) for each in columns)
        return
    with ThreadPoolExecutor(1) as reader:
        ahead = reader.submit(_read, signal, columns[0])
        for now, after in zip(columns, [*columns[1:], None], strict=True):
            values = ahead.result()
            if after is not None:
                ahead = reader.submit(_read, signal, after)
            yield now, values


def pieces(signal: Signal, *, most_bytes: int = MOST_BYTES) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield the rows of *signal* (T, ...) in order, as slices and their values, each within *most_bytes*.

    A piece is at least one row, and whole chunks where these have room, so that a file that stores rows one after
    another is read once.
    """
    rows = signal.shape[0]
    height = _fitting(most_bytes // _row_bytes(signal), _chunk(signal, 0))
    for first in range(0, rows, height):
        part = slice(first, min(first + height, rows))
        yield part, np.asarray(signal[part])


def tiles(signal: Signal, *, most_bytes: int = MOST_BYTES) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield parts of *signal* (T, n) that make up the whole, as slices of rows and the values of some columns there.

    They are pieces of rows, each within *most_bytes*, or where a file stores features one after another, so that whole
    rows take many chunks, the pieces of stripes: either way a file is read once.
    """
    if _chunk(signal, 0) * _row_bytes(signal) <= most_bytes:
        yield from pieces(signal, most_bytes=most_bytes)
        return
    for _, values in stripes(signal):
        yield from pieces(values, most_bytes=most_bytes)


def _width(signal: Signal, most_bytes: int) -> int:
    """Return how many columns a stripe has."""
    rows, n = signal.shape
    column = max(rows * signal.dtype.itemsize, 1)
    # Two stripes share the room, unless all columns have it.
    return n if n * column <= most_bytes else _fitting(most_bytes // 2 // column, _chunk(signal, 1))


def _fitting(most: int, chunk: int) -> int:
    """Return the greatest multiple of *chunk* up to *most*, or most itself, at least 1, where there is none."""
    return most // chunk * chunk if most >= chunk else max(most, 1)


def _row_bytes(signal: Signal) -> int:
    return max(math.prod(signal.shape[1:]) * signal.dtype.itemsize, 1)


def _chunk(signal: Signal, axis: int) -> int:
    """Return how many rows or columns a chunk has, 1 where there are no chunks."""
    chunks = getattr(signal, "chunks", None)
    return 1 if chunks is None else max(int(chunks[axis]), 1)


def _read(signal: Signal, columns: slice) -> np.ndarray:
    return np.asarray(signal[:, columns])


def checked_signal(signal: Any) -> Signal:
    """Return a signal of features (T, n) that can be sliced.

    Raises ValueError where it has another number of axes, and where its values are no real numbers.
    """
    sliced = sliceable(signal)
    if sliced.ndim != 2:
        raise ValueError(f"dimensionality must have shape (T, n), a row for each step; got shape {sliced.shape}")
    if sliced.dtype.kind not in "fiu":
        raise ValueError(f"dimensionality must hold real numbers; got dtype {sliced.dtype}")
    return sliced


def checked_step(step: Any, rows: int) -> np.ndarray:
    """Return the steps (T,) of the rows, by default their numbers; raises ValueError where they do not increase."""
    steps = np.arange(rows) if step is None else checked_series("step", step, rows)
    if not (np.diff(steps) > 0).all():
        raise ValueError("step must increase from row to row; sort the rows and drop those that are doubled")
    return steps


def checked_series(name: str, values: Any, rows: int) -> np.ndarray:
    """Return one value for each row as an array (T,); raises ValueError where there are more or fewer."""
    array = np.asarray(values)
    if array.shape != (rows,):
        raise ValueError(f"{name} must have shape {(rows,)}, a value for each row; got shape {array.shape}")
    return array
