"""The members of a recorded ensemble, read when they are sliced."""

import math
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from ...dynamics.signals import MOST_BYTES
from .indexing import as_slice, indexed
from .series import Series


class Member(NDArrayOperatorsMixin):
    """The rows of one *instance* of a series (T, instances, ...): a series (T, ...) that is read without the others.

    Slices are NumPy arrays; arithmetic and NumPy's functions read the whole of the member.
    """

    def __init__(self, series: Series, instance: int):
        self._series = series
        self._instance = instance

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, ...), of the rows in the snapshot."""
        return _without_instances(self._series.shape)

    @property
    def dtype(self) -> np.dtype:
        """The dtype of the values."""
        return self._series.dtype

    @property
    def ndim(self) -> int:
        """How many axes there are, that of the rows included."""
        return self._series.ndim - 1

    @property
    def chunks(self) -> tuple[int, ...] | None:
        """The shape of what the file reads at once; None where it has no chunks."""
        chunks = self._series.chunks
        return None if chunks is None else _without_instances(chunks)

    def __len__(self) -> int:
        return len(self._series)

    def __getitem__(self, key: Any) -> Any:
        return indexed(key, self.shape, self._read)

    def _read(self, wanted: list[range]) -> np.ndarray:
        """Return the values at these positions of every axis."""
        rows, *rest = map(as_slice, wanted)
        return self._series[(rows, slice(self._instance, self._instance + 1), *rest)][:, 0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype=dtype)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        arrays = [np.asarray(each) if isinstance(each, Member | Series) else each for each in inputs]
        return getattr(ufunc, method)(*arrays, **kwargs)

    def __repr__(self) -> str:
        return f"Member({self._instance} of {self._series!r})"


class Members:
    """The first *count* members of a series (T, instances, ...), asked for one after another as members[:, k].

    As many are read together as have room within *most_bytes*, since a file that stores rows is gone through for each
    time that it is read; a member that has no room by itself is read when it is sliced.
    """

    def __init__(self, series: Series, count: int, *, most_bytes: int = MOST_BYTES // 2):
        self.shape = (len(series), count, *series.shape[2:])
        self._series = series
        self._together = most_bytes // max(math.prod(_without_instances(self.shape)) * series.dtype.itemsize, 1)
        self._first = 0
        self._values = np.empty((0, 0))

    def __getitem__(self, key: tuple[slice, int]) -> np.ndarray | Member:
        member = key[1]
        if not self._together:
            return Member(self._series, member)
        if not self._first <= member < self._first + self._values.shape[1]:
            self._first = member // self._together * self._together
            # What was read before makes room for what comes.
            self._values = np.empty((0, 0))
            self._values = self._series[:, self._first : min(self._first + self._together, self.shape[1])]
        return self._values[:, member - self._first]


def _without_instances(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape[0], *shape[2:]
