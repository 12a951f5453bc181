"""The bytes of a file with changes laid over them in memory, as a file object for h5py; and blocks read and written."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..ring.forks import close, own

# A page of memory: the kernel writes one whole even if the process is killed meanwhile.
BLOCK = 4096


class Overlay:
    """A file whose changes are kept in memory and never written.

    Beyond the end it reads as zeros: HDF5 expects that of space that it has set aside and not written yet.
    """

    def __init__(self, path: Path, flags: int = os.O_RDONLY):
        self._path = path
        self.descriptor = os.open(path, flags)
        if flags & os.O_RDWR:
            # Readers are left to their children.
            own(self.descriptor)
        self.size = self.old_size = os.fstat(self.descriptor).st_size
        # What the file itself has beyond this was cut off here.
        self._kept = self.old_size
        self._blocks: dict[int, bytearray] = {}
        self._position = 0

    def __repr__(self) -> str:
        return str(self._path)

    def __del__(self) -> None:
        # HDF5 closes no Python object, it only lets go of it.
        self.close()

    def close(self) -> None:
        """Close the file beneath."""
        if getattr(self, "descriptor", -1) >= 0:
            close(self.descriptor)
            self.descriptor = -1

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to an offset from the beginning, from here or from the end, and return it."""
        self._position = offset + (0, self._position, self.size)[whence]
        return self._position

    def tell(self) -> int:
        """Return the offset at which the next byte is read or written."""
        return self._position

    def read(self, size: int) -> bytes:
        """Return the next *size* bytes."""
        buffer = bytearray(size)
        self.readinto(buffer)
        return bytes(buffer)

    def readinto(self, buffer: bytearray | memoryview) -> int:
        """Fill *buffer* with the next bytes, and return its length."""
        view, start = memoryview(buffer), self._position
        view[:] = read_at(self.descriptor, start, len(view), limit=self._kept)
        for index, there, here in _pieces(start, len(view)) if self._blocks else ():
            if index in self._blocks:
                view[here] = self._blocks[index][there]
        self._position += len(view)
        return len(view)

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Keep *data* as the next bytes, and return its length."""
        view, start = memoryview(data), self._position
        for index, there, here in _pieces(start, len(view)):
            if index not in self._blocks:
                self._blocks[index] = bytearray(self._own_block(index))
            self._blocks[index][there] = view[here]
        self._position += len(view)
        self.size = max(self.size, self._position)
        return len(view)

    def truncate(self, size: int) -> None:
        """Move the end; what was beyond it is zeros from now on, also if the end moves out again."""
        self._kept = min(self._kept, size)
        self._blocks = {index: block for index, block in self._blocks.items() if index * BLOCK < size}
        if size // BLOCK in self._blocks:
            self._blocks[size // BLOCK][size % BLOCK :] = bytes(BLOCK - size % BLOCK)
        self.size = size

    def flush(self) -> None:
        """Do nothing; there is nowhere to write to."""

    def lay(self, blocks: Iterable[tuple[int, bytes]], size: int) -> None:
        """Put whole blocks in the place of the file's own, and move the end."""
        self.truncate(size)
        self._blocks.update((index, bytearray(block)) for index, block in blocks)

    def changes(self) -> Iterator[tuple[int, bytes, bytes]]:
        """Yield index, old and new content of each block that differs from the file's own; of the first in any case."""
        dropped = range(self._kept // BLOCK, -(-min(self.old_size, self.size) // BLOCK))
        for index in sorted({0, *self._blocks, *dropped}):
            old = read_at(self.descriptor, index * BLOCK, BLOCK)
            new = bytes(self._blocks[index]) if index in self._blocks else self._own_block(index)
            if index == 0 or old != new:
                yield index, old, new

    def _own_block(self, index: int) -> bytes:
        return read_at(self.descriptor, index * BLOCK, BLOCK, limit=self._kept)


def read_at(descriptor: int, offset: int, count: int, *, limit: int | None = None) -> bytes:
    """Return *count* bytes of a file: its own up to *limit* and up to its end, then zeros."""
    wanted = count if limit is None else max(0, min(count, limit - offset))
    data = os.pread(descriptor, wanted, offset)
    while len(data) < wanted and (more := os.pread(descriptor, wanted - len(data), offset + len(data))):
        data += more
    return data.ljust(count, b"\0")


def write_blocks(descriptor: int, blocks: Iterable[tuple[int, bytes]], size: int) -> None:
    """Write whole blocks, by index, to a file, and at last make it *size* bytes long."""
    for index, block in blocks:
        offset, data = index * BLOCK, memoryview(block)[: max(0, size - index * BLOCK)]
        while data:
            written = os.pwrite(descriptor, data, offset)
            offset, data = offset + written, data[written:]
    os.ftruncate(descriptor, size)


def _pieces(start: int, count: int) -> Iterator[tuple[int, slice, slice]]:
    """Yield the index of each block that *count* bytes from *start* touch, the place in it and that among the bytes."""
    for index in range(start // BLOCK, -(-(start + count) // BLOCK)):
        low, high = max(start, index * BLOCK), min(start + count, (index + 1) * BLOCK)
        yield index, slice(low - index * BLOCK, high - index * BLOCK), slice(low - start, high - start)
