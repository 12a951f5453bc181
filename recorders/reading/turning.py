"""A signal that a file keeps row after row, turned once so that its features are read one after another."""

import errno
import shutil
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from math import prod
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import numpy as np

from ...dynamics.signals import Signal, pieces

# So many bytes are turned at a time; a block is written while the next is read.
_AT_ONCE = 2**26
# So many times its own size must be free: a training may be writing to the same disk.
_ROOM = 2


class Turned:
    """The columns of a signal (T, n), in a file of blocks (n, rows) that lie one after another.

    What turned[:, a:b] reads of a block is in one piece. No other slices are known.
    """

    def __init__(self, file: IO[bytes], signal: Signal):
        self.shape, self.ndim, self.dtype = signal.shape, signal.ndim, signal.dtype
        self._file = file
        self._blocks: list[slice] = []
        with ThreadPoolExecutor(1) as writer:
            written: Future[None] | None = None
            for rows, values in pieces(signal, most_bytes=_AT_ONCE):
                if written is not None:
                    written.result()
                self._blocks.append(rows)
                written = writer.submit(_write, file, values)
            if written is not None:
                written.result()

    def __getitem__(self, key: tuple[slice, slice]) -> np.ndarray:
        n = self.shape[1]
        columns = range(n)[key[1]]
        values = np.empty((len(columns), self.shape[0]), self.dtype)
        for rows in self._blocks:
            height = rows.stop - rows.start
            self._file.seek((rows.start * n + columns.start * height) * self.dtype.itemsize)
            values[:, rows] = np.fromfile(self._file, self.dtype, len(columns) * height).reshape(-1, height)
        return values.T


@contextmanager
def turned(signal: Signal, folder: Path) -> Iterator[Signal]:
    """Yield a signal whose columns are those of *signal* (T, n), read fast, from a file in *folder* that has no name.

    Where the folder cannot be written to, or has no room for twice as much, that is *signal* itself. Nothing is left
    behind, however the process ends.
    """
    with ExitStack() as files:
        try:
            scratch = files.enter_context(_scratch(folder, prod(signal.shape) * signal.dtype.itemsize))
            by_columns = Turned(scratch, signal)
        except OSError:
            by_columns = signal
        yield by_columns


def _scratch(folder: Path, size: int) -> IO[bytes]:
    if shutil.disk_usage(folder).free < _ROOM * size:
        raise OSError(errno.ENOSPC, "no room to turn a signal", str(folder))
    return TemporaryFile(dir=folder)


def _write(file: IO[bytes], rows: np.ndarray) -> None:
    # Not by tofile(), which tells nobody of a disk that is full when its own buffer goes out.
    file.write(np.ascontiguousarray(rows.T).data)
