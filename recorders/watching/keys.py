"""The keyboard of a terminal while a recording is watched: q ends it."""

import os
import select
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TextIO

try:
    import termios
    import tty
except ImportError:  # Windows
    termios = tty = None

# Waits so many seconds, and returns whether it was told to stop.
Wait = Callable[[float], bool]


@contextmanager
def stopped_by_q(keyboard: TextIO | None) -> Iterator[Wait]:
    """Give a way to wait until a time is over or q is pressed; where there is no keyboard, the time alone counts.

    Meanwhile keys come without an Enter and are not shown; afterwards the terminal is as it was.
    """
    descriptor = _in_foreground(keyboard)
    if termios is None or tty is None or descriptor is None:
        yield _sleep
        return
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        yield partial(_listen, descriptor)
    finally:
        termios.tcsetattr(descriptor, termios.TCSAFLUSH, before)


def _in_foreground(keyboard: TextIO | None) -> int | None:
    """Return the descriptor of a terminal that this process may read; one in the background would be stopped."""
    try:
        if keyboard is None or not keyboard.isatty() or os.tcgetpgrp(keyboard.fileno()) != os.getpgrp():
            return None
        return keyboard.fileno()
    except (OSError, ValueError, AttributeError):
        return None


def _sleep(seconds: float) -> bool:
    time.sleep(seconds)
    return False


def _listen(descriptor: int, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if not select.select([descriptor], [], [], left)[0]:
            return False
        keys = os.read(descriptor, 64)
        if not keys:
            # The terminal has gone.
            return _sleep(left)
        if b"q" in keys.lower():
            return True
    return False
