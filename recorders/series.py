"""Arrays of a recording that are read when they are sliced."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from ..dynamics.errors import RecordingError, unknown_name


class Source(Protocol):
    """A file that may be closed and opened again between two looks at it."""

    path: Path

    def node(self, path: str) -> h5py.Group | h5py.Dataset | None:
        """Return what lies at *path* of the file as it is open now; None where nothing does."""
        ...


class Named(dict[str, Any]):
    """A dictionary that knows what it holds, and names the nearest keys when asked for one that it lacks."""

    def __init__(self, kind: str, items: Mapping[str, Any]):
        super().__init__(items)
        self._kind = kind

    def __missing__(self, name: str) -> Any:
        raise KeyError(str(unknown_name(f"name in {self._kind}", name, self)))


class Group(Mapping[str, "Series"]):
    """The arrays of one group, by name."""

    def __init__(self, source: Source, path: str, rows: int):
        self._source = source
        self._path = path
        self._rows = rows
        self._names: list[str] = []
        group = source.node(path)
        if isinstance(group, h5py.Group):
            group.visititems(self._visit)

    def _visit(self, name: str, node: h5py.Dataset | h5py.Group) -> None:
        if isinstance(node, h5py.Dataset):
            self._names.append(name)

    def __getitem__(self, name: str) -> "Series":
        if name not in self._names:
            raise KeyError(str(unknown_name(f"name in {self._path}", name, self._names)))
        return Series(self._source, f"{self._path}/{name}", self._rows)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return f"{self._path}: {', '.join(f'{name} {self[name].shape}' for name in self)}"


class Series(NDArrayOperatorsMixin):
    """One array of a recording, (T, ...), read from the file as it is sliced.

    Slices are NumPy arrays; arithmetic and NumPy's functions read the whole of it.
    """

    def __init__(self, source: Source, path: str, rows: int):
        self._source = source
        self._path = path
        self._rows = rows

    @property
    def _dataset(self) -> h5py.Dataset:
        dataset = self._source.node(self._path)
        if not isinstance(dataset, h5py.Dataset):
            raise RecordingError(f"{self._source.path} is damaged: it has no array {self._path}")
        return dataset

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, ...), of the rows in the snapshot."""
        return (self._rows, *self._dataset.shape[1:])

    @property
    def dtype(self) -> np.dtype:
        """The dtype of the values."""
        return self._dataset.dtype

    @property
    def ndim(self) -> int:
        """How many axes there are, that of the rows included."""
        return self._dataset.ndim

    @property
    def attrs(self) -> dict[str, Any]:
        """What is noted of the array, such as the dtype it had in the model."""
        own = ("CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST")
        return {key: value for key, value in self._dataset.attrs.items() if key not in own}

    def __len__(self) -> int:
        return self._rows

    def __getitem__(self, key: Any) -> Any:
        key = key if isinstance(key, tuple) else (key,)
        if not all(isinstance(part, int | np.integer | slice) for part in key) or len(key) > self.ndim:
            return self._dataset[: self._rows][key]
        # HDF5 slices forwards only; it reads what is asked for, and the turning is left to NumPy.
        forward, turn = [], []
        for part, size in zip(key, self.shape, strict=False):
            if isinstance(part, slice):
                wanted = range(size)[part]
                backwards = wanted.step < 0
                wanted = wanted[::-1] if backwards else wanted
                forward.append(slice(wanted.start, wanted.stop, wanted.step) if wanted else slice(0, 0))
                turn.append(slice(None, None, -1) if backwards else slice(None))
            else:
                forward.append(_checked(int(part), size))
        return self._dataset[tuple(forward)][tuple(turn)] if turn else self._dataset[tuple(forward)]

    def __iter__(self) -> Iterator[Any]:
        return iter(self[:])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self._dataset[: self._rows], dtype=dtype)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        arrays = [np.asarray(each) if isinstance(each, Series) else each for each in inputs]
        return getattr(ufunc, method)(*arrays, **kwargs)

    def __repr__(self) -> str:
        return f"Series({self._path}, shape {self.shape}, {self.dtype})"


def _checked(index: int, size: int) -> int:
    if not -size <= index < size:
        raise IndexError(f"index {index} is out of range for {size}")
    return index % size
