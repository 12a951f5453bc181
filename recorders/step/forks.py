"""What a forked child, such as a DataLoader's worker, has of its parent's recordings: nothing."""

import os
from typing import Protocol
from weakref import WeakSet


class Forkable(Protocol):
    """Something that belongs to one process."""

    def leave_to_parent(self) -> None:
        """Do nothing from now on; called in the child."""
        ...


_KNOWN: WeakSet[Forkable] = WeakSet()


def when_forked(thing: Forkable) -> None:
    """Have *thing* left to the parent in every child; asking for the process at each step would take longer."""
    _KNOWN.add(thing)


def _leave_all() -> None:
    for thing in tuple(_KNOWN):
        thing.leave_to_parent()


# Windows has no fork.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_all)
