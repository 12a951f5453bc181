"""Arrays of a recording that are read when they are sliced."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol, TypeVar

import h5py
import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from ...dynamics.errors import RecordingError, unknown_name
from ...dynamics.signals import Signal
from ..file.compression import make_readable
from ..file.feature_major import FeatureMajor, is_feature_major
from ..file.hdf5 import OF_AXES
from ..ring.layout import NAN
from .indexing import as_slice, indexed
from .turning import turned

T = TypeVar("T")

# How often something is looked for again in a file that is being written, each time a little later, in seconds.
_ATTEMPTS, _PAUSE = 8, 0.002


class Source(Protocol):
    """A recording: rows in a file, which may be closed and opened between two looks at it, and rows after them."""

    path: Path
    # How many rows are read from the file; those after them come from the tail.
    filed: int

    def node(self, path: str) -> h5py.Group | h5py.Dataset | None:
        """Return what lies at *path* of the file as it is open now; None where nothing does."""
        ...

    def tail(self, path: str) -> np.ndarray | None:
        """Return the rows of an array that are not in the file; None where there are none of it."""
        ...

    def turn(self) -> AbstractContextManager[Any]:
        """While it lasts, the file is not changed but for rows that are added."""
        ...

    def reopen(self) -> bool:
        """Open the file anew if it may have changed under its reader; False where that cannot be."""
        ...


class Named(dict[str, Any]):
    """A dictionary that knows what it holds, and names the nearest keys when asked for one that it lacks."""

    def __init__(self, kind: str, items: Mapping[str, Any]):
        super().__init__(items)
        self._kind = kind

    def __missing__(self, name: str) -> Any:
        raise KeyError(str(unknown_name(f"name in {self._kind}", name, self)))

    def __repr__(self) -> str:
        entries = (f"{name} {getattr(each, 'shape', '')}".strip() for name, each in self.items())
        return f"{self._kind}: {', '.join(entries)}"


class Series(NDArrayOperatorsMixin):
    """One array of a recording, (T, ...), read from the file as it is sliced.

    Slices are NumPy arrays; arithmetic and NumPy's functions read the whole of it.
    """

    def __init__(self, source: Source, path: str, rows: int):
        self._source = source
        self._path = path
        self._rows = rows
        self._reader: FeatureMajor | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, ...), of the rows in the snapshot."""
        return (self._rows, *self._sample.shape[1:])

    @property
    def dtype(self) -> np.dtype:
        """The dtype of the values."""
        return self._sample.dtype

    @property
    def ndim(self) -> int:
        """How many axes there are, that of the rows included."""
        return self._sample.ndim

    @property
    def chunks(self) -> tuple[int, ...] | None:
        """How many rows, and how much of each, lie in one piece of the file; None where the file has none of it.

        (rows, 1) is feature-major: columns are read at the speed of the disk, and rows slowly.
        """
        dataset = self._dataset()
        return None if dataset is None else dataset.chunks

    @property
    def fill_value(self) -> Any:
        """What stands in a row in which nothing was recorded."""
        dataset = self._dataset()
        return _absent(self.dtype) if dataset is None else dataset.fillvalue

    @property
    def attrs(self) -> dict[str, Any]:
        """What is noted of the array, such as the dtype it had in the model."""
        dataset = self._dataset()
        return {} if dataset is None else {key: value for key, value in dataset.attrs.items() if key not in OF_AXES}

    def turned(self) -> AbstractContextManager[Signal]:
        """Return a context in which the columns of a series (T, n) are read fast, beside the recording if need be."""
        return turned(self, self._source.path.absolute().parent)

    def __len__(self) -> int:
        return self._rows

    def __getitem__(self, key: Any) -> Any:
        return indexed(key, self.shape, self._read)

    def __iter__(self) -> Iterator[Any]:
        return iter(self[:])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype=dtype)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        arrays = [np.asarray(each) if isinstance(each, Series) else each for each in inputs]
        return getattr(ufunc, method)(*arrays, **kwargs)

    def __repr__(self) -> str:
        return f"Series({self._path}, shape {self.shape}, {self.dtype})"

    @property
    def _sample(self) -> h5py.Dataset | np.ndarray:
        """Whatever knows the dtype and the shape of a row."""
        found = self._dataset()
        found = self._source.tail(self._path) if found is None else found
        if found is None:
            raise RecordingError(f"{self._source.path} is damaged: it has no array {self._path}")
        return found

    def _dataset(self) -> h5py.Dataset | None:
        return patiently(self._source, self._look)

    def _look(self) -> h5py.Dataset | None:
        node = self._source.node(self._path)
        return node if isinstance(node, h5py.Dataset) else None

    def _read(self, wanted: list[range]) -> np.ndarray:
        """Return the values at these positions of the first axes."""
        rows, rest = wanted[0], tuple(as_slice(each) for each in wanted[1:])
        filed = min(self._source.filed, self._rows)
        first = range(rows.start, min(rows.stop, filed), rows.step)
        parts = [self._read_whole(first, rest)] if len(first) or not len(rows) else []
        if last := rows[len(first) :]:
            parts.append(self._read_tail(range(last.start - filed, last.stop - filed, last.step), rest))
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _read_whole(self, rows: range, rest: tuple[slice, ...]) -> np.ndarray:
        try:
            return patiently(self._source, lambda: self._read_file(rows, rest))
        except RecordingError:
            raise
        except OSError as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise RecordingError(f"{self._source.path} cannot be read: {self._path} is damaged ({reason})") from error

    def _read_file(self, rows: range, rest: tuple[slice, ...]) -> np.ndarray:
        dataset = self._look()
        if dataset is not None:
            make_readable(dataset)
        if dataset is not None and is_feature_major(dataset.chunks):
            sizes = dataset.shape[1:]
            parts = (*rest, *(slice(None) for _ in sizes[len(rest) :]))
            elements = [range(size)[part] for part, size in zip(parts, sizes, strict=True)]
            return self._feature_major(dataset).read(rows, elements)
        if dataset is not None:
            return dataset[(as_slice(rows), *rest)]
        sample = self._sample[:0][(slice(None), *rest)]
        return np.full((len(rows), *sample.shape[1:]), _absent(sample.dtype), sample.dtype)

    def _feature_major(self, dataset: h5py.Dataset) -> FeatureMajor:
        # A dataset is false once its file was closed.
        if self._reader is None or not self._reader.dataset:
            self._reader = FeatureMajor(dataset)
        return self._reader

    def _read_tail(self, rows: range, rest: tuple[slice, ...]) -> np.ndarray:
        values = self._source.tail(self._path)
        if values is not None:
            return values[(as_slice(rows), *rest)]
        # What is derived from rows comes up when they are written.
        sample = self._sample
        full = np.broadcast_to(_absent(sample.dtype), (len(rows), *sample.shape[1:]))
        return full[(slice(None), *rest)].astype(sample.dtype)


def patiently(source: Source, look: Callable[[], T]) -> T:
    """Return what *look* finds, in the file opened anew if need be.

    While a recording is being written, its file is closed and changed from time to time, for a scalar of a new name:
    what HDF5 has cached of it is wrong then, and a recorder in this very process closes it for its readers too.
    """
    for attempt in range(_ATTEMPTS - 1):
        try:
            with source.turn():
                return look()
        except (OSError, RuntimeError, ValueError, KeyError, RecordingError):
            if not source.reopen():
                raise
        time.sleep(attempt * _PAUSE)
    with source.turn():
        return look()


def _absent(dtype: np.dtype) -> Any:
    return NAN if dtype.kind in "fc" else 0
