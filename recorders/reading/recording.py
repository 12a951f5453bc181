"""Recording: the read side. Opens finished files and those that are still being written."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import h5py
import numpy as np

from ...dynamics.errors import MissingExtraError, RecordingError
from ..file.compression import make_readable
from ..file.hdf5 import array_paths, dataset_at
from ..file.reader_lock import reading
from ..file.superblock import HEAD_BYTES
from ..ring.channels import Block
from ..ring.newest_rows import read_tail
from ..text import html_of
from .opening import check_format, close_stale, open_file
from .series import Named, Series, patiently

if TYPE_CHECKING:
    import xarray


def open_recording(path: str | os.PathLike[str]) -> "Recording":
    """Open a recording, finished or still being written, and return it.

    Raises RecordingError, naming the file and the way out, for whatever is no recording that can be read.
    """
    return Recording(path)


class Recording:
    """What was recorded; a consistent snapshot of its first ``len(recording)`` rows.

    step, time, scalars, parameters, features and probes are read from the file when they are sliced, not before. While
    the recording is being written, :meth:`refresh` moves the snapshot forward. Use it in a ``with`` block or close it.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = Path(path)
        self._closed = False
        # Until it turns out that nobody writes it.
        self._is_live = self.path.is_file()
        # The file and its superblock, as found at the last look and as they were when it was opened.
        self._found = self._state = (0, b"")
        self._file: h5py.File | None = None
        patiently(self, self._take_snapshot)

    def __len__(self) -> int:
        return self._rows

    def __repr__(self) -> str:
        return f"Recording({str(self.path)!r}, {len(self)} rows, {'closed' if self._closed else self.status})"

    def _repr_html_(self) -> str:
        return html_of(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; slices taken so far stay valid."""
        self._closed = True
        self._let_go()

    def refresh(self) -> Self:
        """Take in the rows and scalars that were written since; does nothing on a finished recording."""
        self._opened()
        if self._is_live:
            patiently(self, self._take_snapshot)
        return self

    @property
    def status(self) -> str:
        """One of recording, complete, aborted, repaired.

        A recording whose training was killed is aborted, whatever its file still says.
        """
        self._opened()
        return self._status

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
    def scalars(self) -> Mapping[str, Series]:
        """loss, lr and whatever was logged, by name; each (T,) float64, NaN where absent."""
        return self._group("scalars")

    @property
    def parameters(self) -> Mapping[str, Series]:
        """The parameters by qualified name; each (T, *shape)."""
        return self._group("parameters")

    @property
    def features(self) -> Mapping[str, Mapping[str, Series]]:
        """For each parameter with features: dimensionality, norm and interference, (T, [instances,] n) float32."""
        quantities: dict[str, list[str]] = {}
        for name in self._names["features"]:
            parameter, _, quantity = name.rpartition("/")
            quantities.setdefault(parameter, []).append(quantity)
        return Named("features", {name: self._group(f"features/{name}", each) for name, each in quantities.items()})

    @property
    def probes(self) -> Mapping[str, Series]:
        """The user's own tensors by name; each (T, *shape)."""
        return self._group("probes")

    def to_xarray(self) -> "xarray.DataTree":
        """Return the recording as an xarray DataTree, read lazily from the file.

        Raises MissingExtraError without the extra [xarray] or a compression's plugin, RecordingError if unfinished.
        """
        try:
            import h5netcdf  # noqa: F401
            import xarray
        except ImportError as error:
            raise MissingExtraError.for_feature("to_xarray()", "xarray") from error
        if self._attribute("status") == "recording":
            way_out = "close the recorder" if self._is_live else f"`dyn repair {self.path}`"
            raise RecordingError(f"xarray opens finished files only, and {self.path} is not: {way_out} first")
        for path in array_paths(self._opened()):
            make_readable(dataset_at(self._opened(), path))
        return xarray.open_datatree(self.path, engine="h5netcdf")

    def node(self, path: str) -> h5py.Group | h5py.Dataset | None:
        """Return what lies at *path* of the file as it is open now; None where nothing does."""
        node = self._opened().get(path)
        return node if isinstance(node, h5py.Group | h5py.Dataset) else None

    def tail(self, path: str) -> np.ndarray | None:
        """Return the rows of an array that are not in the file; None where there are none of it."""
        return self._tail.get(path)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """While it lasts, the file is not changed but for rows that are added; what was changed before is read anew."""
        if not self._is_live:
            yield
            return
        with reading(self.path) as descriptor:
            found = (os.fstat(descriptor).st_ino, os.pread(descriptor, HEAD_BYTES, 0)) if descriptor >= 0 else (0, b"")
            # The superblock tells how long the file was after a change. Another file there does not change this one.
            if self._file and found[0] == self._state[0] and found != self._state:
                close_stale(self._file)
            self._found = found
            yield

    def reopen(self) -> bool:
        """Open the file anew if it may have changed under its reader; False where that cannot be."""
        may_have_changed = self._is_live or not self._file
        if may_have_changed:
            self._let_go()
        return may_have_changed and not self._closed and self.path.exists()

    def _let_go(self) -> None:
        if self._file:
            self._file.close()

    def _opened(self) -> h5py.File:
        if self._closed:
            raise RecordingError(f"the recording {self.path} was closed; open it again with dyn.open")
        # A recorder in this very process, when it closes the file, closes it for its readers too.
        if not self._file:
            self._file, self._state = open_file(self.path), self._found
            if self._file.attrs.get("token") != self._token:
                raise RecordingError(f"{self.path} was replaced by another recording; open it again with dyn.open")
        return self._file

    def _attribute(self, name: str) -> str:
        return patiently(self, lambda: str(self._opened().attrs[name]))

    def _take_snapshot(self) -> None:
        self._let_go()
        # In this order: a row that leaves the ring between the two looks is found in the file.
        tail = read_tail(self.path)
        self._is_live = tail is not None and tail.is_live
        self._file, self._state = open_file(self.path), self._found
        check_format(self.path, self._file)
        self._token = self._file.attrs.get("token")
        if tail is not None and tail.token != self._token:
            # It belongs to a recording that lay here before, or that lies here since.
            tail = None
        stored = str(self._file.attrs["status"])
        self._is_live = stored == "recording" and tail is not None and tail.is_live
        self._status = "aborted" if stored == "recording" and not self._is_live else stored
        self.filed = int(dataset_at(self._file, "committed")[0])
        self._tail: dict[str, np.ndarray] = {}
        if tail is not None and tail.block is not None:
            self._put_behind(tail.block)
        self._rows = self.filed + len(self._tail.get("step", ()))
        self._names = {group: self._list(group) for group in ("scalars", "parameters", "features", "probes")}

    def _put_behind(self, block: Block) -> None:
        """Let the rows of *block* follow those in the file that are of earlier steps."""
        first = int(block.step[0])
        steps = dataset_at(self._opened(), "step")
        if self.filed and int(steps[self.filed - 1]) >= first:
            self.filed = int(np.searchsorted(steps[: self.filed], first))
        self._tail = {"step": block.step, "time": block.time, **block.channels}
        self._tail.update((f"scalars/{name}", values) for name, values in block.scalars.items())

    def _list(self, group: str) -> list[str]:
        """Return the names of the arrays in a group, in the order of the file and then of the tail."""
        paths = [*array_paths(self._opened()), *self._tail]
        return list(dict.fromkeys(path.removeprefix(f"{group}/") for path in paths if path.startswith(f"{group}/")))

    def _group(self, path: str, names: list[str] | None = None) -> Named:
        self._opened()
        names = self._names[path] if names is None else names
        return Named(path, {name: Series(self, f"{path}/{name}", self._rows) for name in names})
