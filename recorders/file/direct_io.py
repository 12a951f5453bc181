"""Writing large rows straight to the disk, past HDF5 and the page cache.

The kernel keeps a core busy for as long, copying a row into its page cache, as the disk takes to write it, and where a
training uses every core it is the training that waits. A row that lies on whole pages in the ring, and in the file as
well, goes to the disk from where it is.
"""

import errno
import os
from contextlib import suppress
from pathlib import Path

import numpy as np
from h5py.h5d import DatasetID

from ..ring.forks import close, own
from ..ring.layout import PAGE

# How a file system says that it cannot, which is no failure of the disk.
_CANNOT = (errno.EINVAL, errno.EFAULT, errno.ENOTSUP)


class DirectWriter:
    """A file that is open for writing past the page cache, as far as its file system allows that."""

    def __init__(self, path: Path):
        self._descriptor: int | None = None
        # Not every system has the flag, nor every file system the ability.
        with suppress(AttributeError, OSError):
            self._descriptor = own(os.open(path, os.O_WRONLY | os.O_DIRECT))

    def write(self, dataset: DatasetID, row: int, values: np.ndarray) -> bool:
        """Write *values* into the chunk that is row *row* of *dataset*; False where that has to be done otherwise.

        Raises OSError when the disk is full, or fails.
        """
        if self._descriptor is None or not values.flags.c_contiguous or values.ctypes.data % PAGE:
            return False
        # None as long as HDF5 has given the chunk no place.
        place = dataset.get_chunk_info_by_coord((row, *(0 for _ in values.shape))).byte_offset
        if place is None or place % PAGE or values.nbytes % PAGE:
            return False
        return self._write(self._descriptor, values.data.cast("B"), place)

    def _write(self, descriptor: int, source: memoryview, place: int) -> bool:
        written = 0
        while written < len(source):
            try:
                written += os.pwrite(descriptor, source[written:], place + written)
            except OSError as error:
                if error.errno not in _CANNOT:
                    raise
                self.close()
                return False
        return True

    def close(self) -> None:
        """Close the file; what is written after that has to be done otherwise."""
        if self._descriptor is not None:
            close(self._descriptor)
            self._descriptor = None
