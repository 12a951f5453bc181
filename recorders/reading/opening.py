"""Opening the file of a recording for reading, in whatever state it is."""

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ...dynamics.errors import RecordingError
from ..file.hdf5 import FORMAT, FORMAT_VERSION, SWEEP_FORMAT, close_everywhere
from ..file.journal import is_pending, open_patched
from ..file.superblock import HEAD_BYTES, ends_early
from ..ring.paths import is_live, named_by_its_ring

# A writer that makes a dataset for a late scalar closes its file for a moment; a reader waits that long, in seconds.
_PATIENCE = 2.0


def located(path: Path) -> Path:
    """Return the file that *path* leads to, by the name beside which its ring and its journal lie.

    Raises RecordingError where it leads to nothing that can be read.
    """
    check_file(path)
    place = named_by_its_ring(path)
    # A hard link in another folder knows of the first name by the file.
    if place.stat().st_nlink > 1:
        with suppress(RecordingError, OSError, KeyError), open_file(place) as file:
            home = Path(str(file.attrs["ring"])).with_suffix("")
            if home.samefile(place):
                return home
    return place


def check_file(path: Path) -> None:
    """Raise RecordingError where there is no HDF5 file at *path*."""
    if not path.exists():
        raise RecordingError(f"{path} does not exist")
    if path.is_dir():
        raise RecordingError(f"{path} is a directory; name a recording, such as {path / 'run.h5'}")
    if path.stat().st_size == 0:
        raise RecordingError(f"{path} is empty; it is no recording")
    if not os.access(path, os.R_OK):
        raise RecordingError(f"{path} cannot be read: you have no permission")
    if not h5py.is_hdf5(path):
        raise RecordingError(f"{path} is not an HDF5 file, so it is no recording")


def open_file(path: Path) -> h5py.File:
    """Open a recording's file, finished, live, or left by a crash; raises RecordingError where it cannot be read."""
    check_file(path)
    # While a change is put into the file, it may be shorter than its superblock says.
    if _is_cut_off(path) and not is_pending(path) and _is_cut_off(path):
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


def check_format(path: Path, file: h5py.File) -> None:
    """Raise RecordingError unless *file* is a recording of a version that is known."""
    if file.attrs.get("format") == SWEEP_FORMAT:
        raise RecordingError(
            f"{path} is the result of a sweep and no recording; dyn info, plot and export take it, and xarray opens it"
        )
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


def _is_cut_off(path: Path) -> bool:
    """Whether a file that nobody is writing is shorter than its superblock says; HDF5 may read on in it for ever."""
    with path.open("rb") as file:
        head = file.read(48)
    if len(head) < 48:
        return True
    # Superblock version 3: the flags of a file that is being written, and its end of file.
    return head[8] == 3 and head[11] == 0 and path.stat().st_size < int.from_bytes(head[28:36], "little")


def _ends_early(path: Path) -> bool:
    with path.open("rb") as file:
        return ends_early(file.read(HEAD_BYTES), path.stat().st_size)


def _open_as_found(path: Path) -> h5py.File:
    """Open a closed file as any reader would, a live one without locking its writer out, a broken one as if mended.

    Raises OSError while a live writer changes the file, which takes it a few milliseconds.
    """
    if not is_live(path):
        if is_pending(path) or _ends_early(path):
            return open_patched(path)
        try:
            return h5py.File(path, "r")
        except OSError:
            return open_patched(path)
    file = _open_live(path)
    if is_pending(path):
        file.close()
        raise OSError("it is being changed")
    return file


def _open_live(path: Path) -> h5py.File:
    """Open a file that somebody is writing; its writer may have it closed at this moment."""
    # A plain reader would fail at what the writer does next, and a lock would be in its way. In a process that has the
    # file open already, though, the same flags are asked for: those of its writer, or of another reader.
    for flags in ({"swmr": True, "locking": False}, {"swmr": True}):
        with suppress(OSError):
            return h5py.File(path, "r", **flags)
    return h5py.File(path, "r")


def close_stale(file: h5py.File | None) -> None:
    """Close what this process has open of a file that another one has changed, for all its readers.

    HDF5 keeps one state for a file however often a process opens it. Where its writer is this process, that is right.
    """
    if not file:
        return
    handles = [each for each in h5py.h5f.get_obj_ids(file.id, h5py.h5f.OBJ_FILE) if isinstance(each, h5py.h5f.FileID)]
    if any(handle.get_intent() & h5py.h5f.ACC_RDWR for handle in handles):
        file.close()
    else:
        close_everywhere(file)


def catalogue_entry(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of the catalogue's experiment that a recording is of; empty for any other training."""
    entry = config.get("experiment")
    return entry if isinstance(entry, dict) and {"name", "n_features", "density", "sets"} <= entry.keys() else {}
