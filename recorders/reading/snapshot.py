"""Snapshot: the file of a recording and its ring, as one at one moment, also while both are being written."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from ...dynamics.errors import RecordingError
from ..file.hdf5 import GROUPS, array_paths, dataset_at
from ..file.reader_lock import reading
from ..file.superblock import HEAD_BYTES
from ..ring.channels import Block
from ..ring.newest_rows import read_tail
from .opening import check_format, close_stale, open_file
from .series import patiently


class Snapshot:
    """The first rows of a recording: those in the file, of which *filed* are read, and behind them the ring's.

    While the recording is being written, take() moves it forward.
    """

    def __init__(self, path: Path):
        self.path = path
        self.is_closed = False
        # Until it turns out that nobody writes it.
        self.is_live = path.is_file()
        # The file and its superblock, as found at the last look and as they were when it was opened.
        self._found = self._state = (0, b"")
        self._file: h5py.File | None = None
        patiently(self, self.take)

    def take(self) -> None:
        """Take in what is there now."""
        self._let_go()
        # In this order: a row that leaves the ring between the two looks is found in the file.
        tail = read_tail(self.path)
        self.is_live = tail is not None and tail.is_live
        self._file, self._state = open_file(self.path), self._found
        check_format(self.path, self._file)
        self.token = self._file.attrs.get("token")
        if tail is not None and tail.token != self.token:
            # It belongs to a recording that lay here before, or that lies here since.
            tail = None
        stored = str(self._file.attrs["status"])
        self.is_live = stored == "recording" and tail is not None and tail.is_live
        self.status = "aborted" if stored == "recording" and not self.is_live else stored
        self.filed = int(dataset_at(self._file, "committed")[0])
        self._tail: dict[str, np.ndarray] = {}
        if tail is not None and tail.block is not None:
            self._put_behind(tail.block)
        self.rows = self.filed + len(self._tail.get("step", ()))
        self.names = {group: self._list(group) for group in GROUPS}

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
            raise RecordingError(f"the recording {self.path} was closed; open it again with dyn.open")
        # A recorder in this very process, when it closes the file, closes it for its readers too.
        if not self._file:
            self._file, self._state = open_file(self.path), self._found
            if self._file.attrs.get("token") != self.token:
                raise RecordingError(f"{self.path} was replaced by another recording; open it again with dyn.open")
        return self._file

    def close(self) -> None:
        """Close the file for good."""
        self.is_closed = True
        self._let_go()

    def _let_go(self) -> None:
        if self._file:
            self._file.close()

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
