"""In which order other processors see what is written: a row's numbers before its mark, where Python writes them."""

import platform
from collections.abc import Callable
from struct import Struct
from threading import Lock
from typing import Any

# Those of Intel and AMD show writes in the order in which they were made, and read in the order of the program.
KEEPS_ORDER = platform.machine().lower() in ("x86_64", "amd64", "i386", "i686")
_MARK = Struct("<q")
_LOCK = Lock()


def fence() -> None:
    """Let what was written, or read, before this be so for every processor before what comes after.

    Nothing moves out of a lock that is held: not what comes before its release behind that, nor what comes after its
    next acquisition before that, and the two keep their order.
    """
    for _ in range(2):
        with _LOCK:
            pass


def row_packer(numbers: int) -> Callable[..., Any]:
    """Return what writes so many numbers of a row, its step, time and mark, as struct's pack_into; the mark last."""
    whole = Struct(f"<{numbers}dqdq").pack_into
    first, mark_at = Struct(f"<{numbers}dqd"), 8 * (numbers + 2)

    def in_order(memory: memoryview, at: int, *values: float) -> None:
        first.pack_into(memory, at, *values[:-1])
        fence()
        _MARK.pack_into(memory, at + mark_at, values[-1])

    return whole if KEEPS_ORDER else in_order
