"""The HDF5 file of a recording while it is being written: append rows, commit them, add what comes up late, close."""

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py._objects import phil

from ...dynamics.errors import RecordingError
from ..ring.channels import Block, Channel
from ..ring.forks import disown, own, when_forked
from ..ring.layout import LARGE, PAGE
from .checkpoint_log import checkpoint_log_path, fold_checkpoints
from .columns import Columns
from .creation import add_channel, add_scalar
from .hdf5 import LIBVER, array_paths, close_everywhere, dataset_at
from .journal import atomically
from .reader_lock import changing
from .superblock import clear_in_place, mend

# What is large begins on a page, so that it can be written directly.
_OPTIONS: dict[str, Any] = {"libver": LIBVER, "alignment_threshold": LARGE, "alignment_interval": PAGE}


class Store:
    """A recording that is being written.

    The file is open for readers in other processes (SWMR) from the first moment; a reader trusts the first
    ``committed[0]`` rows and no others. In this mode a process may die at any moment and the file stays whole, but
    nothing can be created: what comes up late is added while the file is closed, all of it or nothing.
    """

    def __init__(self, path: Path):
        # The training may change its folder before the file is opened again.
        self.path = path.absolute()
        self._given_up = False
        # False while the file is closed for a change, from which an interruption may keep it from coming back.
        self._is_live = False
        self._identity = _identity(self.path)
        # What HDF5 finds behind the end that the superblock says it cuts off.
        mend(self.path)
        self._open_file()
        when_forked(self)
        self.rows = int(dataset_at(self._file, "committed")[0])
        if any(len(dataset_at(self._file, name)) > self.rows for name in array_paths(self._file)):
            # Rows that were written and never committed.
            self._change(self._cut_off)
        else:
            self._go_live()
        self._last_step = int(dataset_at(self._file, "step")[self.rows - 1]) if self.rows else -1

    @property
    def arrays(self) -> Mapping[str, h5py.Dataset]:
        """The arrays that have an entry for each row, by path."""
        return self._columns.datasets

    def add_scalars(self, names: Iterable[str], attributes: Mapping[str, str] | None = None) -> None:
        """Make a dataset for each new scalar; rows before it hold NaN."""

        def add(file: h5py.File) -> None:
            for name in names:
                add_scalar(file, name, self.rows).attrs.update(attributes or {})

        self._change(add)

    def add_channel(self, channel: Channel, attributes: Mapping[str, str]) -> None:
        """Make a dataset for a channel that came up after the file was created; earlier rows hold its fill value."""
        self._change(lambda file: add_channel(file, channel, self.rows).attrs.update(attributes))

    def append(self, block: Block) -> None:
        """Write the rows of *block*, then commit them: data, flush, count, flush."""
        try:
            if not (self._is_live or self._given_up):
                self._change(lambda _: None)
            self._append(block)
        except Exception:
            self.abandon()
            raise

    def _append(self, block: Block) -> None:
        unknown = [name for name in block.scalars if f"scalars/{name}" not in self.arrays]
        if unknown:
            self.add_scalars(unknown)
        if block.step[0] <= self._last_step:
            # A training that was continued takes these steps again, or the final row got its loss.
            self._commit(int(np.searchsorted(self.arrays["step"][: self.rows], block.step[0])))
        start, stop = self.rows, self.rows + len(block)
        columns = {"step": block.step, "time": block.time, **block.channels}
        columns.update((f"scalars/{name}", values) for name, values in block.scalars.items())
        self._columns.extend(start, stop, columns)
        self._file.flush()
        # Before they count: rows that are offered again, after an interruption, replace those of their steps.
        self._last_step = int(block.step[-1])
        self._commit(stop)

    def _commit(self, rows: int) -> None:
        # By h5py's names and slices this would be a fifth of the time that a drain of small rows takes.
        self._committed.write(h5py.h5s.ALL, h5py.h5s.ALL, np.array([rows], np.int64))
        self._file.flush()
        self.rows = rows

    def close(self, status: str, **attributes: float) -> None:
        """Close the file for good, readable by any HDF5 reader."""

        def finish(file: h5py.File) -> None:
            file.attrs.update(attributes)
            file.attrs["status"] = status
            # Its ring has done its duty.
            file.attrs.pop("ring", None)

        try:
            with changing(self.path):
                self._close_live()
                self._fold_checkpoints()
                atomic_change(self.path, finish)
        except Exception:
            self.abandon()
            raise
        self._given_up = True

    def _fold_checkpoints(self) -> None:
        """Put what lies beside the file into it."""
        if (beside := checkpoint_log_path(self.path)).exists():
            with h5py.File(self.path, "r") as file:
                token = str(file.attrs.get("token"))
            fold_checkpoints(self.path, token, beside)

    def abandon(self) -> None:
        """Give the file up as it is on the disk, after a write that failed.

        HDF5 crashes the process when what it still holds cannot be written on closing, so it writes that to nowhere.
        """
        if self.is_open:
            with Path(os.devnull).open("r+b") as nowhere:
                os.dup2(nowhere.fileno(), self._handle, inheritable=False)
            self._let_go()
            if _identity(self.path) == self._identity:
                with suppress(OSError, RecordingError):
                    clear_in_place(self.path, given_up=True)
        self._given_up = True

    def leave_to_parent(self) -> None:
        """Let go of the file, in a forked child, where what HDF5 writes on closing goes nowhere already."""
        self._given_up = True
        if self._file:
            self._let_go()

    @property
    def is_open(self) -> bool:
        """Whether rows can be written."""
        return not self._given_up and bool(self._file)

    def _change(self, change: Callable[[h5py.File], None]) -> None:
        # A thread that reads the file in this process waits, or it would have it open when it is opened for writing.
        with changing(self.path), phil:
            self._close_live()
            atomic_change(self.path, change)
            self._open_file()
            self._go_live()

    def _open_file(self) -> None:
        self._file = _open(self.path)
        self._handle = own(self._file.id.get_vfd_handle())

    def _let_go(self) -> None:
        """Close a file that cannot be written, or must not be."""
        if self._is_live:
            self._columns.close()
            self._columns.fill_places()
        disown(self._handle)
        close_everywhere(self._file)

    def _go_live(self) -> None:
        self._file.swmr_mode = True
        self._columns = Columns(self._file, self.path)
        self._committed = dataset_at(self._file, "committed").id
        self._is_live = True

    def _close_live(self) -> None:
        if self._is_live:
            self._columns.close()
        self._is_live = False
        disown(self._handle)
        close_everywhere(self._file)
        if _identity(self.path) != self._identity:
            raise RecordingError("its file was deleted or replaced")

    def _cut_off(self, file: h5py.File) -> None:
        for path in array_paths(file):
            dataset_at(file, path).resize(self.rows, axis=0)


def atomic_change(path: Path, change: Callable[[h5py.File], None]) -> None:
    """Change a closed recording, all of it or nothing, whenever the process dies."""
    with atomically(path) as file:
        change(file)


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from another one at the same path, None where there is none."""
    with suppress(FileNotFoundError):
        status = path.stat()
        return status.st_dev, status.st_ino
    return None


def _open(path: Path) -> h5py.File:
    """Open the file for writing, even while a reader in another process holds a lock on it."""
    try:
        return h5py.File(path, "r+", **_OPTIONS)
    except BlockingIOError:
        return h5py.File(path, "r+", **_OPTIONS, locking=False)
    except OSError:
        # A reader in this very process has it open.
        close_everywhere(h5py.File(path, "r"))
        return h5py.File(path, "r+", **_OPTIONS)
