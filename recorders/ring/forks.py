"""What a process has of its recordings, and a forked child, such as a DataLoader's worker, has nothing of.

A child that ends in order lets HDF5 write what it still holds, and so what the file was when it was forked; and a
descriptor that a child inherits keeps its lock. So in the child each descriptor leads nowhere, and what used it is
told. It is told by os.register_at_fork: asking for the process at each step would take longer.
"""

import os
from contextlib import suppress
from typing import Protocol
from weakref import WeakSet


class Forkable(Protocol):
    """Something that belongs to one process."""

    def leave_to_parent(self) -> None:
        """Do nothing from now on; called in the child, where no descriptor that was owned leads anywhere."""
        ...


_KNOWN: WeakSet[Forkable] = WeakSet()
# Each with the file that it is of: a number may be used again.
_DESCRIPTORS: dict[int, tuple[int, int]] = {}


def when_forked(thing: Forkable) -> None:
    """Have *thing* left to the parent in every child."""
    _KNOWN.add(thing)


def own(descriptor: int) -> int:
    """Keep a descriptor to this process: children do not have it, nor does a program that takes this one's place."""
    os.set_inheritable(descriptor, False)
    _DESCRIPTORS[descriptor] = _file_of(descriptor)
    return descriptor


def disown(descriptor: int) -> None:
    """Forget a descriptor that is about to be closed."""
    _DESCRIPTORS.pop(descriptor, None)


def close(descriptor: int) -> None:
    """Close a descriptor that was owned."""
    disown(descriptor)
    os.close(descriptor)


def _file_of(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino


def _leave_all() -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor, file in _DESCRIPTORS.items():
        with suppress(OSError):
            if _file_of(descriptor) == file:
                os.dup2(nowhere, descriptor, inheritable=False)
    os.close(nowhere)
    _DESCRIPTORS.clear()
    for thing in tuple(_KNOWN):
        # One that cannot must not keep the others.
        with suppress(Exception):
            thing.leave_to_parent()


# Windows has no fork.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_all)
