"""Who is still writing: a lock on the ring's file, which the system lets go of when its holders are gone."""

import os
from contextlib import suppress
from pathlib import Path

from ...dynamics.errors import OutputExistsError, RecordingError

_ZEROS = bytes(2**20)

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


class Lock:
    """The training's hold on its ring, shared with the writer process that has the same descriptor.

    shared: others may have it at the same time in the same way. Raises BlockingIOError where another training has it.
    """

    def __init__(self, descriptor: int, *, shared: bool = False):
        self.descriptor = descriptor
        if fcntl is None:
            return
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError:
            # A file system without locks has readers that take a recording without a writer for one that has one.
            pass

    def release(self) -> None:
        """Let go, for every process that holds it."""
        if self.descriptor >= 0:
            if fcntl is not None:
                with suppress(OSError):
                    fcntl.flock(self.descriptor, fcntl.LOCK_UN)
            os.close(self.descriptor)
            self.descriptor = -1


def hold(path: Path) -> Lock:
    """Open the file at *path*, or make an empty one, and hold it; what is in it stays.

    Raises OutputExistsError where another training holds it, RecordingError where it cannot be made.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
    except OSError as error:
        raise RecordingError(f"{path} cannot be made: {error.strerror or error}") from error
    try:
        return Lock(descriptor)
    except BlockingIOError as error:
        os.close(descriptor)
        raise OutputExistsError(
            f"{path} is being made by another training at this moment; choose another path"
        ) from error


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


def allocate(descriptor: int, size: int) -> None:
    """Take the room of a file: room that is only promised would kill the training by a signal on a full disk."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
        return
    written = 0
    while written < size:
        written += os.write(descriptor, _ZEROS[: size - written])
