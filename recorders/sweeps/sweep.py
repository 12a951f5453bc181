"""Reading the result of a sweep; apart from its making, so that reading loads no torch."""

import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np

from ...dynamics.errors import RecordingError, unknown_name
from ..file.hdf5 import SWEEP_FORMAT, dataset_at


class Sweep:
    """The result of a sweep, read from the file when it is asked for; a context manager.

    axes are the settings that vary with their values, in the order of the arrays' axes; experiment holds the others.
    ``sweep["W"]`` is an array (*axes, repeat, …), and with trajectories (*axes, repeat, step, …).
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = Path(path)
        try:
            self._file = h5py.File(self.path, "r")
        except OSError as error:
            raise RecordingError(f"{self.path} cannot be read as a sweep: {error.strerror or error}") from error
        if self._file.attrs.get("format") != SWEEP_FORMAT:
            self._file.close()
            raise RecordingError(f"{self.path} is no result of a sweep; make one with dyn sweep")
        self.axes: dict[str, tuple[Any, ...]] = {key: tuple(values) for key, values in self._json("axes").items()}
        self.experiment: dict[str, Any] = self._json("experiment")
        self.failures: list[str] = self._json("failures")
        self.training = str(self._file.attrs["training"])
        self.names = arrays_of(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()

    def __getitem__(self, name: str) -> np.ndarray:
        return self.dataset(name)[()]

    def dataset(self, name: str) -> h5py.Dataset:
        """Return an array as it is in the file, to be read by slices; raises SettingError for one that is not there."""
        if name not in self.names:
            raise unknown_name("array of the sweep", name, self.names)
        return dataset_at(self._file, name)

    @property
    def repeat(self) -> int:
        """How many models there are at each point."""
        return len(dataset_at(self._file, "repeat"))

    @property
    def step(self) -> np.ndarray | None:
        """The steps of the rows, (rows,); None where only final values were kept."""
        return dataset_at(self._file, "step")[()] if "step" in self._file else None

    def _json(self, name: str) -> Any:
        return json.loads(str(self._file.attrs[name]))


def arrays_of(file: h5py.File) -> list[str]:
    """Return the names of the datasets that are no coordinates."""
    return [name for name in map(str, file) if not dataset_at(file, name).is_scale]
