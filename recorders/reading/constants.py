"""What a recording keeps once, read when it is asked for."""

from typing import Any

import h5py
import numpy as np

from ...dynamics.errors import RecordingError
from ..file.hdf5 import OF_AXES
from .series import Source, patiently


class Constant:
    """An array that is the same in every row, (*shape): a frozen parameter, or a buffer that does not change."""

    def __init__(self, source: Source, path: str):
        self._source = source
        self._path = path

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape, without rows."""
        return patiently(self._source, lambda: self._look().shape)

    @property
    def dtype(self) -> np.dtype:
        """The dtype of the values in the file."""
        return patiently(self._source, lambda: self._look().dtype)

    @property
    def attrs(self) -> dict[str, Any]:
        """What is noted of it: its kind, "parameter" or "buffer", and the dtype that it had in the model."""
        noted = patiently(self._source, lambda: dict(self._look().attrs))
        return {key: value for key, value in noted.items() if key not in OF_AXES}

    def __getitem__(self, key: Any) -> Any:
        return patiently(self._source, lambda: self._look()[key])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[()], dtype=dtype)

    def __repr__(self) -> str:
        return f"Constant({self._path}, shape {self.shape}, {self.dtype})"

    def _look(self) -> h5py.Dataset:
        node = self._source.node(self._path)
        if not isinstance(node, h5py.Dataset):
            raise RecordingError(f"{self._source.path} is damaged: it has no array {self._path}")
        return node
