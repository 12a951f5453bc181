"""Taking back the beginning of a recording whose last part failed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import h5py

from ..file.hdf5 import dataset_at
from ..file.store import atomic_change
from ..ring.paths import earlier_name, ring_path

# What a recording that goes on changes of itself.
_NOTES = ("status", "token", "final_row", "resumed", "ring")


class Earlier(Protocol):
    """What lies at a recording's path before another one begins there."""

    def bring_back(self) -> None:
        """Put it back, once the other one has begun; where nothing lay, nothing stays."""
        ...


@contextmanager
def remembered(path: Path, *, overwrite: bool, goes_on: bool) -> Iterator[Earlier]:
    """Give what lies at *path*, which the block may bring back: what it replaces, or goes on with."""
    path = path.resolve()
    if goes_on and path.exists():
        yield _Continued(path)
        return
    earlier = _Replaced(path, exists=overwrite)
    try:
        yield earlier
    finally:
        earlier.forget()


class _Replaced:
    """A recording that is replaced, with its ring and its journal: further names of the same files."""

    def __init__(self, path: Path, *, exists: bool):
        files = [path, ring_path(path), Path(f"{path}.journal")] if exists else []
        self._path, self._kept = path, [(each, earlier_name(each)) for each in files if each.is_file()]
        # A file system without hard links has no way back; whatever is known to fail was done by then.
        for each, kept in self._kept:
            with suppress(OSError):
                kept.unlink(missing_ok=True)
                os.link(each, kept)

    def bring_back(self) -> None:
        if not self._kept:
            self._path.unlink(missing_ok=True)
        for each, kept in self._kept:
            if kept.exists():
                kept.replace(each)

    def forget(self) -> None:
        for _, kept in self._kept:
            kept.unlink(missing_ok=True)


class _Continued:
    """A recording that goes on, and what it says of itself."""

    def __init__(self, path: Path):
        self._path, self._notes = path, dict[str, Any]()
        # One that a crash left may not open before it is repaired, and stays repaired then.
        with suppress(OSError), h5py.File(path, "r") as file:
            self._notes = {name: file.attrs[name] for name in _NOTES if name in file.attrs}

    def bring_back(self) -> None:
        if self._notes.get("status", "recording") == "recording":
            self._notes = {"status": "repaired"}
        atomic_change(self._path, self._restore)

    def _restore(self, file: h5py.File) -> None:
        dataset_at(file, "committed")[0] = len(dataset_at(file, "step"))
        if len(self._notes) > 1:
            for name in _NOTES:
                file.attrs.pop(name, None)
        file.attrs.update(self._notes)
