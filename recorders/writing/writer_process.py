"""The writer as a process of its own: drains a ring until the training ends, however that may be."""

import os
import select
import sys
import time
from pathlib import Path
from typing import Any

from ..file.store import Store
from ..ring.ring import Ring, State
from ..schedule.trigger import Trigger, TriggerFilter
from .drain import Drain, finish

# How long a writer without rows sleeps, in seconds: at first, and at most, since to look costs the training as well.
_SHORTEST_SLEEP, _LONGEST_SLEEP = 0.001, 0.016


def main(ring: str, recording: str, training: int, lifeline: int, trigger: dict[str, Any] | None) -> None:
    """Write the rows of *ring* into *recording* as long as the process *training* lives; say in the ring what fails.

    lifeline: one end of a pipe whose other end only the training has.
    """
    opened = Ring.open(Path(ring), writable=True)
    if opened is None:
        sys.exit(1)
    try:
        keep = None if trigger is None else TriggerFilter(Trigger(**trigger))
        _write(Drain(opened, Store(Path(recording)), keep), training, lifeline)
    except Exception as error:
        opened.message = str(error) or type(error).__name__
        sys.exit(1)


def _is_orphan(training: int, lifeline: int) -> bool:
    """Whether the training is gone, also if another program has taken its place, and its number."""
    return os.getppid() != training or (hasattr(os, "fork") and bool(select.select([lifeline], [], [], 0)[0]))


def _write(drain: Drain, training: int, lifeline: int) -> None:
    ring, sleep = drain.ring, _SHORTEST_SLEEP
    while True:
        # In this order: rows that were completed before the end are counted after it was seen.
        is_orphan = _is_orphan(training, lifeline)
        is_last = is_orphan or ring.state is not State.RECORDING
        tail = ring.tail
        if is_last:
            finish(drain)
            if is_orphan:
                ring.remove()
            return
        # The newest row may still get numbers.
        drain.take(ring.complete - 1)
        if ring.tail == tail:
            time.sleep(sleep)
            sleep = min(2 * sleep, _LONGEST_SLEEP)
        else:
            sleep = _SHORTEST_SLEEP
