"""Ctrl-C among several processes: a terminal sends it to each, and it is meant for one."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interrupts_held_back() -> Iterator[None]:
    """Hold Ctrl-C back until the end of the context; a process that is started meanwhile never gets to know of it."""
    if not hasattr(signal, "pthread_sigmask"):
        # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
