"""Turns: while a live file is changed in a way that HDF5's concurrent readers do not bear, no reader is in it.

Appending rows is no such change. Making a dataset is: a reader that has half of it cached can crash its process. So a
reader holds a shared lock while it reads, the writer an exclusive one while it changes the file. The locks lie on a
byte far behind the file's end, and belong to one open file each. This needs Linux; elsewhere nobody waits, and a reader
looks again at what it found broken.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..ring.forks import close, own
from ..ring.lock import TURNS_BYTE, lock_byte

# How long a training waits for readers, in seconds: one that was stopped with the lock must not stop the training too.
_WRITERS_PATIENCE = 1.0
# A change takes milliseconds.
_READERS_PATIENCE = 5.0
_PAUSE = 0.0005


@contextmanager
def reading(path: Path) -> Iterator[int]:
    """Read while nobody changes the file; gives a descriptor of it, -1 for one that cannot be opened.

    Raises OSError where the change does not end.
    """
    try:
        descriptor = own(os.open(path, os.O_RDONLY))
    except OSError:
        # What is wrong with it is said by what reads it.
        yield -1
        return
    try:
        if not _locked(descriptor, exclusive=False, patience=_READERS_PATIENCE):
            raise OSError(f"{path} is being changed")
        yield descriptor
    finally:
        close(descriptor)


@contextmanager
def changing(path: Path) -> Iterator[None]:
    """Change the file while nobody reads it; goes on without the lock where a reader does not let go."""
    try:
        descriptor = own(os.open(path, os.O_RDWR))
    except OSError:
        # Whatever is wrong with it is said by what changes it.
        yield
        return
    try:
        _locked(descriptor, exclusive=True, patience=_WRITERS_PATIENCE)
        yield
    finally:
        close(descriptor)


def _locked(descriptor: int, *, exclusive: bool, patience: float) -> bool:
    """Lock the byte until the descriptor is closed; False where others hold it for too long."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if lock_byte(descriptor, TURNS_BYTE, exclusive=exclusive):
            return True
        time.sleep(_PAUSE)
    return False
