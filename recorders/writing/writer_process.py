"""The writer as a process of its own: drains a ring until the training ends, however that may be."""

import os
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


def main(ring: str, recording: str, training: int, trigger: dict[str, Any] | None) -> None:
    """Write the rows of *ring* into *recording* as long as the process *training* lives; say in the ring what fails."""
    opened = Ring.open(Path(ring), writable=True)
    if opened is None:
        sys.exit(1)
    try:
        keep = None if trigger is None else TriggerFilter(Trigger(**trigger))
        _write(Drain(opened, Store(Path(recording)), keep), training)
    except Exception as error:
        opened.message = str(error) or type(error).__name__
        sys.exit(1)


def _write(drain: Drain, training: int) -> None:
    ring, sleep = drain.ring, _SHORTEST_SLEEP
    while True:
        # In this order: rows that were completed before the end are counted after it was seen.
        is_orphan = os.getppid() != training
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
