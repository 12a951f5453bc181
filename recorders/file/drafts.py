"""The file in which a recording is written anew: hidden beside the other one, with its room on the disk."""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import h5py

from ...dynamics.errors import OutputExistsError, RecordingError
from ..ring.forks import disown, own
from ..ring.layout import LARGE, PAGE
from ..ring.lock import Lock, allocate, hold, is_held
from .hdf5 import LIBVER

# No other program calls a file so.
_SUFFIX = ".dyn-compact"
# Where a superblock of versions 2 and 3 says where its file ends, in 8 bytes.
_END_AT = 28


@contextmanager
def draft_beside(target: Path) -> Iterator[tuple[Path, Lock]]:
    """Make a file beside *target*, of a name that nobody has; it is deleted unless it was put in its place.

    While it is locked no other process takes it for stale. Windows wants the lock released before the file is renamed.
    """
    path, lock = _made_and_held(target)
    try:
        yield path, lock
    finally:
        lock.release()
        path.unlink(missing_ok=True)


def remove_stale(target: Path) -> None:
    """Delete the drafts beside *target* whose processes were killed; where a file cannot be locked, none."""
    name = re.compile(rf"\.{re.escape(target.name)}\.\w{{8}}{re.escape(_SUFFIX)}")
    try:
        beside = list(target.absolute().parent.iterdir())
    except OSError:
        # A folder that may be written to and not be looked into.
        return
    for path in beside:
        if name.fullmatch(path.name) and path.is_file() and not path.is_symlink() and not is_held(path):
            # Those who write it share its lock, which a look does not see.
            with suppress(OutputExistsError, RecordingError, OSError):
                lock = hold(path)
                lock.remove(path)


@contextmanager
def created(path: Path, lock: Lock, room: int) -> Iterator[h5py.File]:
    """Make an HDF5 file of a draft, with so many bytes reserved; whatever is raised meanwhile leaves it without any."""
    # Its lock is shared, with readers too.
    file = h5py.File(path, "w", libver=LIBVER, alignment_threshold=LARGE, alignment_interval=PAGE, locking=False)
    handle = own(file.id.get_vfd_handle())
    try:
        # Before HDF5 holds anything that it could not write on closing.
        os.lseek(lock.descriptor, 0, os.SEEK_END)
        allocate(lock.descriptor, room)
        yield file
        file.flush()
    except BaseException:
        # HDF5 crashes the process when what it still holds cannot be written on closing, so there is room for it.
        os.ftruncate(lock.descriptor, 0)
        raise
    finally:
        disown(handle)
        file.close()
    # What was reserved and not used goes back to the disk; where the file ends is in its superblock.
    with path.open("r+b") as made:
        made.seek(_END_AT)
        made.truncate(int.from_bytes(made.read(8), "little"))


def put_on_disk(path: Path) -> None:
    """Wait until a file is on the disk, and let the system forget what it keeps of it in memory."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def _made_and_held(target: Path) -> tuple[Path, Lock]:
    while True:
        descriptor, name = tempfile.mkstemp(_SUFFIX, f".{target.name}.", target.parent)
        try:
            lock = Lock(descriptor, shared=True)
        except BlockingIOError:
            # Another process takes it for stale, as it was not held for an instant.
            os.close(descriptor)
            continue
        if Path(name).exists():
            return Path(name), lock
        lock.release()
