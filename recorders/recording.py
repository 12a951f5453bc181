"""Recording: the read side. Opens finished files and those that are still being written."""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import h5py
import numpy as np

from ..dynamics.errors import MissingExtraError, RecordingError
from .format import FORMAT, FORMAT_VERSION
from .series import Group, Named, Series

if TYPE_CHECKING:
    import xarray

# A writer that makes a dataset for a late scalar closes its file for a moment; a reader waits that long, in seconds.
_PATIENCE = 2.0


def open_recording(path: str | os.PathLike[str]) -> "Recording":
    """Open a recording, finished or still being written, and return it.

    Raises RecordingError, naming the file and the way out, for whatever is no recording that can be read.
    """
    return Recording(path)


def catalogue_entry(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of the catalogue's experiment that a recording is of; empty for any other training."""
    entry = config.get("experiment")
    return entry if isinstance(entry, dict) and {"name", "n_features", "density", "sets"} <= entry.keys() else {}


class Recording:
    """What was recorded; a consistent snapshot of its first ``len(recording)`` rows.

    step, time, scalars, parameters, features and probes are read from the file when they are sliced, not before. While
    the recording is being written, :meth:`refresh` moves the snapshot forward. Use it in a ``with`` block or close it.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = Path(path)
        self._closed = False
        self._file = _open_file(self.path)
        try:
            _check_format(self.path, self._file)
            self._take_snapshot()
        except BaseException:
            self._file.close()
            raise

    def __len__(self) -> int:
        return self._rows

    def __repr__(self) -> str:
        return f"Recording({str(self.path)!r}, {len(self)} rows, {'closed' if self._closed else self.status})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; slices taken so far stay valid."""
        self._closed = True
        self._file.close()

    def refresh(self) -> Self:
        """Take in the rows and scalars that were written since; does nothing on a finished recording."""
        self._opened()
        if self._is_live:
            self._file.close()
            self._file = _open_file(self.path)
            self._take_snapshot()
        return self

    @property
    def status(self) -> str:
        """One of recording, complete, aborted, repaired."""
        return self._attribute("status")

    @property
    def config(self) -> dict[str, Any]:
        """What the run was told of itself."""
        return json.loads(self._attribute("config"))

    @property
    def created(self) -> str:
        """When the recording began, ISO 8601."""
        return self._attribute("created")

    @property
    def software(self) -> str:
        """What wrote the recording."""
        return self._attribute("software")

    @property
    def step(self) -> Series:
        """Optimizer steps taken before each row; (T,) int64."""
        return Series(self, "step", self._rows)

    @property
    def time(self) -> Series:
        """Seconds since the recording began; (T,) float64."""
        return Series(self, "time", self._rows)

    @property
    def scalars(self) -> Group:
        """loss, lr and whatever was logged, by name; each (T,) float64, NaN where absent."""
        return self._group("scalars")

    @property
    def parameters(self) -> Group:
        """The parameters by qualified name; each (T, *shape)."""
        return self._group("parameters")

    @property
    def features(self) -> Mapping[str, Group]:
        """For each parameter with features: dimensionality, norm and interference, (T, [instances,] n) float32."""
        names = sorted({name.rpartition("/")[0] for name in self._group("features")})
        return Named("features", {name: self._group(f"features/{name}") for name in names})

    @property
    def probes(self) -> Group:
        """The user's own tensors by name; each (T, *shape)."""
        return self._group("probes")

    def to_xarray(self) -> "xarray.DataTree":
        """Return the recording as an xarray DataTree, read lazily from the file.

        Raises MissingExtraError without the extra [xarray], RecordingError while the recording is being written.
        """
        try:
            import h5netcdf  # noqa: F401
            import xarray
        except ImportError as error:
            raise MissingExtraError.for_feature("to_xarray()", "xarray") from error
        if self.status == "recording":
            raise RecordingError(f"{self.path} is still being written; close the recorder first")
        return xarray.open_datatree(self.path, engine="h5netcdf")

    def _opened(self) -> h5py.File:
        # A recorder in this very process, when it closes the file, closes it for its readers too.
        if not self._file and not self._closed:
            self._file = _open_file(self.path)
        if self._closed:
            raise RecordingError(f"the recording {self.path} was closed; open it again with dyn.open")
        return self._file

    def node(self, path: str) -> h5py.Group | h5py.Dataset | None:
        """Return what lies at *path* of the file as it is open now; None where nothing does."""
        node = self._opened().get(path)
        return node if isinstance(node, h5py.Group | h5py.Dataset) else None

    def _attribute(self, name: str) -> str:
        return str(self._opened().attrs[name])

    def _take_snapshot(self) -> None:
        # In this order: what is finished between the two looks has rows that a later refresh() finds.
        self._is_live = self.status == "recording"
        self._rows = int(Series(self, "committed", 1)[0])

    def _group(self, path: str) -> Group:
        return Group(self, path, self._rows)


def _open_file(path: Path) -> h5py.File:
    if not path.exists():
        raise RecordingError(f"{path} does not exist")
    if path.is_dir():
        raise RecordingError(f"{path} is a directory; name a recording, such as {path / 'run.h5'}")
    if path.stat().st_size == 0:
        raise RecordingError(f"{path} is empty; it is no recording")
    if not h5py.is_hdf5(path):
        raise RecordingError(f"{path} is not an HDF5 file, so it is no recording")
    if _is_cut_off(path):
        raise RecordingError(f"{path} cannot be read: it is truncated")
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return _open_as_found(path)
        except OSError as error:
            reason = str(error)
            if "truncated" in reason or time.monotonic() > deadline:
                break
        time.sleep(0.01)
    cause = "it is truncated" if "truncated" in reason else reason
    raise RecordingError(f"{path} cannot be read: {cause}")


def _is_cut_off(path: Path) -> bool:
    """Whether a file that nobody is writing is shorter than its superblock says; HDF5 may read on in it for ever."""
    with path.open("rb") as file:
        head = file.read(48)
    if len(head) < 48:
        return True
    # Superblock version 3: the flags of a file that is being written, and its end of file.
    return head[8] == 3 and head[11] == 0 and path.stat().st_size < int.from_bytes(head[28:36], "little")


def _open_as_found(path: Path) -> h5py.File:
    """Open a closed file as any reader would, and one that has a writer, or lost it, without locking it out."""
    try:
        return h5py.File(path, "r")
    except OSError:
        return h5py.File(path, "r", swmr=True, locking=False)


def _check_format(path: Path, file: h5py.File) -> None:
    if file.attrs.get("format") != FORMAT:
        raise RecordingError(f"{path} is an HDF5 file, but no recording: it has no attribute format={FORMAT!r}")
    found = file.attrs.get("format_version")
    if not isinstance(found, int | np.integer) or found > FORMAT_VERSION:
        raise RecordingError(
            f"{path} has format version {found}; this toolkit reads up to {FORMAT_VERSION}: "
            "pip install --upgrade learning-dynamics"
        )
    missing = [name for name in ("status", "created", "software", "config") if name not in file.attrs]
    missing += [name for name in ("committed", "step", "time") if name not in file]
    if missing:
        raise RecordingError(f"{path} is damaged: it has no {', '.join(missing)}")
