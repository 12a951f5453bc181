"""Recording: the read side. Opens finished files and those that are still being written."""

import json
import os
import warnings
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
from ..ring.finding import find_ring
from ..ring.lock import is_held
from ..ring.newest_rows import Tail, read_tail
from ..ring.paths import is_live, ring_path
from ..text import html_of
from .opening import check_format, close_stale, located, open_file
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
        # The path is followed once: what it leads to may change, and so may the folder that it is relative to.
        self._place = located(self.path)
        self._ring_at = ring_path(self._place)
        # Until it turns out that nobody writes it.
        self._is_live = True
        # The file and its superblock, as found at the last look and as they were when it was opened.
        self._found = self._state = (0, b"")
        self._file: h5py.File | None = None
        patiently(self, self._take_snapshot)
        if self._missing:
            warnings.warn(f"{self.path}: {self._missing}", stacklevel=3)

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
        return xarray.open_datatree(self._place, engine="h5netcdf")

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
        with reading(self._place) as descriptor:
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
        return may_have_changed and not self._closed and self._place.exists()

    def _let_go(self) -> None:
        if self._file:
            self._file.close()

    def _opened(self) -> h5py.File:
        if self._closed:
            raise RecordingError(f"the recording {self.path} was closed; open it again with dyn.open")
        # A recorder in this very process, when it closes the file, closes it for its readers too.
        if not self._file:
            self._file, self._state = open_file(self._place), self._found
            if self._file.attrs.get("token") != self._token:
                raise RecordingError(f"{self.path} was replaced by another recording; open it again with dyn.open")
        return self._file

    def _attribute(self, name: str) -> str:
        return patiently(self, lambda: str(self._opened().attrs[name]))

    def _take_snapshot(self) -> None:
        self._let_go()
        # In this order: a ring that nobody holds any more gets no further rows, and a row that leaves the ring between
        # two looks is found in the file.
        held = is_live(self._place) or is_held(self._ring_at)
        tail = read_tail(self._ring_at)
        self._file, self._state = open_file(self._place), self._found
        check_format(self._place, self._file)
        self._token, noted = self._file.attrs.get("token"), self._file.attrs.get("ring")
        if tail is None or tail.token != self._token:
            # It belongs to a recording that lay here before, or that lies here since.
            tail = self._tail_elsewhere(noted)
        stored = str(self._file.attrs["status"])
        self._is_live = stored == "recording" and held and (tail is None or tail.goes_on)
        self._status = "aborted" if stored == "recording" and not self._is_live else stored
        self.filed = int(dataset_at(self._file, "committed")[0])
        self._tail: dict[str, np.ndarray] = {}
        self._missing = self._what_is_missing(tail, noted) if self._status != stored else ""
        if tail is not None and tail.block is not None and not self._missing:
            self._put_behind(tail.block)
        self._rows = self.filed + len(self._tail.get("step", ()))
        self._names = {group: self._list(group) for group in ("scalars", "parameters", "features", "probes")}

    def _tail_elsewhere(self, noted: str | None) -> Tail | None:
        """Return the newest rows of a file that was moved away from its ring; None where that is not to be found."""
        ring = find_ring(self._place, str(self._token), noted)
        if ring is None:
            return None
        self._ring_at = ring.path
        tail = read_tail(ring.path)
        self._let_go()
        self._file, self._state = open_file(self._place), self._found
        return tail

    def _what_is_missing(self, tail: Tail | None, noted: str | None) -> str:
        """Return what is to be said of a recording that was not closed and whose newest rows are not to be found."""
        last = int(dataset_at(self._opened(), "step")[self.filed - 1]) if self.filed else -1
        if tail is None:
            if is_live(self._place):
                raise OSError(f"{self._place} has just begun to be written")
            ring = Path(str(noted)) if noted else ring_path(self._place)
            return (
                f"it was not closed, and {ring.name}, which has the rows after step {last}, is not beside it, as of a "
                f"file that was copied or moved; put {ring_path(self.path).name} there, from {ring.parent}"
            )
        if tail.follows(last):
            return ""
        return (
            f"it is an older copy of the recording that {self._ring_at.name} belongs to: rows after step {last} are "
            "missing; put the newer file in its place"
        )

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
