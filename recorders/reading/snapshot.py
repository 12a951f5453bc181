"""Snapshot: the file of a recording and its ring, as one at one moment, also while both are being written."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from ...dynamics.errors import RecordingError
from ..file.hdf5 import CONSTANTS, GROUPS, array_paths, constant_paths, dataset_at
from ..file.reader_lock import reading
from ..file.superblock import HEAD_BYTES
from ..ring.channels import Block
from ..ring.finding import find_ring
from ..ring.lock import is_held
from ..ring.newest_rows import NewestRows, read_tail
from ..ring.paths import is_live, ring_path
from .opening import check_format, close_stale, located, open_file
from .series import patiently


class Snapshot:
    """The first rows of a recording: those in the file, of which *filed* are read, and behind them the ring's.

    While the recording is being written, take() moves it forward.
    """

    def __init__(self, path: Path):
        # As it was given. It is followed once: what it leads to may change, and so may what it is relative to.
        self._name = path
        self.path = located(path)
        self._ring_at = ring_path(self.path)
        self.is_closed = False
        # Until it turns out that nobody writes it.
        self.is_live = True
        # The file and its superblock, as found at the last look and as they were when it was opened.
        self._found = self._state = (0, b"")
        self._file: h5py.File | None = None
        patiently(self, self.take)

    def take(self) -> None:
        """Take in what is there now."""
        self._let_go()
        # In this order: a ring that nobody holds any more gets no further rows, and a row that leaves the ring between
        # two looks is found in the file.
        held = is_live(self.path) or is_held(self._ring_at)
        tail = read_tail(self._ring_at)
        self._file, self._state = open_file(self.path), self._found
        check_format(self.path, self._file)
        self.token, noted = self._file.attrs.get("token"), self._file.attrs.get("ring")
        if tail is None or tail.token != self.token:
            # It belongs to a recording that lay here before, or that lies here since.
            tail = self._tail_elsewhere(noted)
        stored = str(self.file().attrs["status"])
        self.is_live = stored == "recording" and held and (tail is None or tail.goes_on)
        self.status = "aborted" if stored == "recording" and not self.is_live else stored
        self.filed = int(dataset_at(self.file(), "committed")[0])
        self.missing = self._what_is_missing(tail, noted) if self.status != stored else ""
        self._tail: dict[str, np.ndarray] = {}
        if tail is not None and tail.block is not None and not self.missing:
            self._put_behind(tail.block)
        self.rows = self.filed + len(self._tail.get("step", ()))
        self.names = {group: self._list(group) for group in GROUPS}
        self.names[CONSTANTS] = [path.partition("/")[2] for path in constant_paths(self.file())]

    def node(self, path: str) -> h5py.Group | h5py.Dataset | None:
        """Return what lies at *path* of the file as it is open now; None where nothing does."""
        node = self.file().get(path)
        return node if isinstance(node, h5py.Group | h5py.Dataset) else None

    def tail(self, path: str) -> np.ndarray | None:
        """Return the rows of an array that are not in the file; None where there are none of it."""
        return self._tail.get(path)

    def attribute(self, name: str) -> str:
        """Return what the file says of itself."""
        return patiently(self, lambda: str(self.file().attrs[name]))

    @contextmanager
    def turn(self) -> Iterator[None]:
        """While it lasts, the file is not changed but for rows that are added; what was changed before is read anew."""
        if not self.is_live:
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
        may_have_changed = self.is_live or not self._file
        if may_have_changed:
            self._let_go()
        return may_have_changed and not self.is_closed and self.path.exists()

    def file(self) -> h5py.File:
        """Return the file, open; raises RecordingError where the recording was closed or replaced by another."""
        if self.is_closed:
            raise RecordingError(f"the recording {self._name} was closed; open it again with dyn.open")
        # A recorder in this very process, when it closes the file, closes it for its readers too.
        if not self._file:
            self._file, self._state = open_file(self.path), self._found
            if self._file.attrs.get("token") != self.token:
                raise RecordingError(f"{self._name} was replaced by another recording; open it again with dyn.open")
        return self._file

    def close(self) -> None:
        """Close the file for good."""
        self.is_closed = True
        self._let_go()

    def _let_go(self) -> None:
        if self._file:
            self._file.close()

    def _tail_elsewhere(self, noted: str | None) -> NewestRows | None:
        """Return the newest rows of a file that was moved away from its ring; None where that is not to be found."""
        ring = find_ring(self.path, str(self.token), noted)
        if ring is None:
            return None
        self._ring_at = ring.path
        tail = read_tail(ring.path)
        self._let_go()
        self._file, self._state = open_file(self.path), self._found
        return tail

    def _what_is_missing(self, tail: NewestRows | None, noted: str | None) -> str:
        """Return what is to be said of a recording that was not closed and whose newest rows are not to be found."""
        last = int(dataset_at(self.file(), "step")[self.filed - 1]) if self.filed else -1
        if tail is None:
            if is_live(self.path):
                raise OSError(f"{self.path} has just begun to be written")
            ring = Path(str(noted)) if noted else ring_path(self.path)
            return (
                f"it was not closed, and {ring.name}, which has the rows after step {last}, is not beside it, as of a "
                f"file that was copied or moved; put {ring_path(self._name).name} there, from {ring.parent}"
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
        steps = dataset_at(self.file(), "step")
        if self.filed and int(steps[self.filed - 1]) >= first:
            self.filed = int(np.searchsorted(steps[: self.filed], first))
        self._tail = {"step": block.step, "time": block.time, **block.channels}
        self._tail.update((f"scalars/{name}", values) for name, values in block.scalars.items())

    def _list(self, group: str) -> list[str]:
        """Return the names of the arrays in a group, in the order of the file and then of the tail."""
        paths = [*array_paths(self.file()), *self._tail]
        return list(dict.fromkeys(path.removeprefix(f"{group}/") for path in paths if path.startswith(f"{group}/")))
