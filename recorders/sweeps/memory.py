"""What a worker does with memory that is freed: it keeps it for the next step."""

import ctypes
from functools import cache

# Of glibc's malloc.h; the second cannot be more than 32 MB in older versions.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEPT, _FROM_HEAP = 2**30, 2**25


@cache
def keep_freed_memory() -> None:
    """Have the C library keep up to a gigabyte that this process has freed, where it is glibc.

    A step's arrays have a few hundred kilobytes. By itself glibc gives such memory back to the system and asks for it
    again at the next step, page by page, which on a virtual machine took as long as the training. It stays so until the
    process ends, also where the sweep's own process is the only worker.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        # Another C library, or Windows, which has no library without a name.
        return
    mallopt(_TRIM_THRESHOLD, _KEPT)
    mallopt(_MMAP_THRESHOLD, _FROM_HEAP)
