"""Who is still writing: locks, which the system lets go of when their holders are gone.

Whoever writes a recording holds a byte far behind the end of its file, so that the file is asked who writes it,
whatever it is called. That needs Linux. Elsewhere, and for recordings of version 0.1.0, it is the ring that is held.
"""

import os
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ...dynamics.errors import OutputExistsError, RecordingError
from .forks import close, own

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_ZEROS = bytes(2**20)
# What readers and whoever changes the file take turns by, and what its writer holds.
TURNS_BYTE, WRITER_BYTE = 2**62, 2**62 + 1
_FLAGS = os.O_RDWR | getattr(os, "O_BINARY", 0)


class Lock:
    """A hold on an open file, shared with the writer process that has the same descriptor.

    shared: others may have it at the same time in the same way. byte: hold this byte, which is independent of what else
    holds the file. Raises BlockingIOError where another process has it.
    """

    def __init__(self, descriptor: int, *, shared: bool = False, byte: int | None = None):
        self.descriptor = descriptor
        self._byte = byte
        if byte is None:
            self._flock(fcntl and (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        elif not lock_byte(descriptor, byte, exclusive=not shared):
            raise BlockingIOError
        own(descriptor)

    def release(self) -> None:
        """Let go, for every process that holds it."""
        if self.descriptor < 0:
            return
        with suppress(OSError):
            if self._byte is None:
                self._flock(fcntl and fcntl.LOCK_UN)
            elif fcntl is not None and sys.platform == "linux":
                _ask(self.descriptor, fcntl.F_OFD_SETLK, fcntl.F_UNLCK, self._byte)
        close(self.descriptor)
        self.descriptor = -1

    def remove(self, path: Path) -> None:
        """Delete the file at *path*, which is held, and let go of it after that: before, another may have it by now."""
        if os.name == "nt":
            self.release()
        path.unlink(missing_ok=True)
        self.release()

    def _flock(self, operation: int | None) -> None:
        try:
            if fcntl is not None and operation is not None:
                fcntl.flock(self.descriptor, operation)
        except BlockingIOError:
            raise
        except OSError:
            # A file system without locks has readers that take a recording without a writer for one that has one.
            pass


def hold(path: Path) -> Lock:
    """Open the file at *path*, or make an empty one, and hold it; what is in it stays.

    Raises OutputExistsError where another training holds it, RecordingError where it cannot be made.
    """
    while True:
        try:
            descriptor = os.open(path, _FLAGS | os.O_CREAT, 0o666)
        except OSError as error:
            raise RecordingError(f"{path} cannot be made: {error.strerror or error}") from error
        try:
            lock = Lock(descriptor)
        except BlockingIOError as error:
            os.close(descriptor)
            raise OutputExistsError(
                f"{path} is being made by another training at this moment; choose another path"
            ) from error
        if is_at(path, descriptor):
            return lock
        # Who held it has deleted or renamed it between the two.
        lock.release()


def claim(path: Path) -> Lock:
    """Hold the file of a recording itself, as its only writer.

    Raises OutputExistsError where it has one, OSError where it cannot be opened for writing.
    """
    descriptor = os.open(path, _FLAGS)
    try:
        return Lock(descriptor, byte=WRITER_BYTE)
    except BlockingIOError as error:
        os.close(descriptor)
        raise OutputExistsError(
            f"{path} is being recorded at this moment; close its recorder or choose another path"
        ) from error


@contextmanager
def claimed(path: Path) -> Iterator[None]:
    """Hold the file at *path* meanwhile, if there is one that can be written; raises what claim() raises else."""
    try:
        lock = claim(path)
    except OutputExistsError:
        raise
    except OSError:
        # Whatever is wrong with it is said by what writes it.
        yield
        return
    try:
        yield
    finally:
        lock.release()


def is_claimed(path: Path) -> bool:
    """Whether the file at *path* itself, under whatever name, has a writer; False where the system cannot tell."""
    if fcntl is None or sys.platform != "linux":
        return False
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        return _ask(descriptor, fcntl.F_OFD_GETLK, fcntl.F_RDLCK, WRITER_BYTE) != fcntl.F_UNLCK
    except OSError:
        # A file system without locks.
        return False
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Whether a training or a writer still holds the ring at *path*; False where there is no ring."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        if fcntl is None:
            return True
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def lock_byte(descriptor: int, byte: int, *, exclusive: bool) -> bool:
    """Lock a byte of a file until its descriptor, and every copy of it, is closed; False where others hold it.

    True without a lock where the system, or the file's, has none.
    """
    if fcntl is None or sys.platform != "linux":
        return True
    try:
        _ask(descriptor, fcntl.F_OFD_SETLK, fcntl.F_WRLCK if exclusive else fcntl.F_RDLCK, byte)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def allocate(descriptor: int, size: int) -> None:
    """Take the room of a file: room that is only promised would kill the training by a signal on a full disk."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
        return
    written = 0
    while written < size:
        written += os.write(descriptor, _ZEROS[: size - written])


def _ask(descriptor: int, request: int, kind: int, byte: int) -> int:
    """Ask for a lock of a byte that belongs to the open file, and not to the process; return the kind that is there."""
    # struct flock: type, whence, start, length, and a process that has to be 0.
    assert fcntl is not None
    flock = struct.pack("hhqqi4x", kind, os.SEEK_SET, byte, 1, 0)
    return struct.unpack_from("h", fcntl.fcntl(descriptor, request, flock))[0]


def is_at(path: Path, descriptor: int) -> bool:
    """Whether what lies at *path* is the open file."""
    try:
        return descriptor >= 0 and os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
