"""Changes to a closed HDF5 file that happen wholly or not at all, whenever the process is killed.

HDF5 writes a change piece by piece, and outside SWMR mode a file that got half of the pieces may be lost. So HDF5 changes
a copy in memory; the blocks that differ are put beside the file, as a journal, in one go; then they are copied into the
file, and the journal is deleted. Whoever finds a journal finishes the copying, or reads the file as if that were done.
A killed process loses nothing so. A power cut may, because nothing here waits for the disk.
"""

import contextlib
import hashlib
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import h5py
import numpy as np

from ..dynamics.errors import RecordingError
from .superblock import HEAD_BYTES, cleared, is_flagged

# Both HDF5 1.14 and 2 read and write this version, and it allows reading while writing.
_LIBVER = ("v110", "v110")
# A page of memory: the kernel writes one whole even if the process is killed meanwhile.
_BLOCK = 4096
_MAGIC = b"dynredo1"
_HEADER = struct.Struct("<8sQQ")
_RECORD = np.dtype([("index", "<u8"), ("old", "u1", _BLOCK), ("new", "u1", _BLOCK)])
_DIGEST_BYTES = hashlib.sha256().digest_size
# How often a reader looks again when the file changes while it is opened.
_TRIES = 20


@contextlib.contextmanager
def atomically(path: Path) -> Iterator[h5py.File]:
    """Open a closed HDF5 file for any change, and make the whole change on the disk when the block ends.

    The change is held in memory until then. If the block or the writing raises, nothing has changed. The caller is the
    only writer; readers that had the file open keep what HDF5 has cached of it and must open it again.

    Raises OSError where the file cannot be opened or written, such as on a full disk.
    """
    redo(path)
    with contextlib.closing(_Overlay(path, os.O_RDWR)) as overlay:
        with h5py.File(overlay, "r+", libver=_LIBVER) as file:
            yield file
        overlay.seek(0)
        if is_flagged(overlay.read(HEAD_BYTES)):
            raise RecordingError(f"{path} was not closed at the end of its change; nothing was changed")
        _carry_out(path, overlay)


def redo(path: Path) -> bool:
    """Finish the change of a file whose writer was killed during it; return whether there was one.

    A journal that is damaged, or that is of another state of the file than this, is deleted. Only a file's one writer may
    call this, before anything else that it does with the file.
    """
    _name(path, ".new").unlink(missing_ok=True)
    journal = _pending(path)
    if journal is not None:
        with _descriptor(path, os.O_RDWR) as descriptor:
            if done := journal.fits(descriptor):
                journal.apply(descriptor)
    else:
        done = False
    discard(path)
    return done


def is_pending(path: Path) -> bool:
    """Whether a change to the file may be unfinished."""
    return _name(path).exists()


def discard(path: Path) -> None:
    """Forget a change that was not finished, as is due when the file itself is deleted or replaced."""
    _name(path).unlink(missing_ok=True)


def open_patched(path: Path) -> h5py.File:
    """Open a file for reading as if whoever wrote it had closed it, without writing to the disk or locking anything.

    A change that was not finished is seen as finished, and a file whose writer died reads plainly. So does one that is
    being written in SWMR mode, as it was at this moment, for as long as nothing is appended: HDF5's own SWMR reader is the
    one for live files.

    Raises OSError, or RecordingError with the reason, where the file cannot be read.
    """
    for _ in range(_TRIES):
        state = _state(path)
        try:
            file = _open_as_seen(path)
        except OSError:
            if _state(path) == state:
                raise
            continue
        if _state(path) == state:
            return file
        file.close()
    return _open_as_seen(path)


class _Overlay:
    """The bytes of a file, as a file object for h5py, with what is written to it kept in memory.

    What lies beyond the end reads as zeros: HDF5 expects that of space that it has set aside and not written yet.
    """

    def __init__(self, path: Path, flags: int = os.O_RDONLY):
        self._path = path
        self.descriptor = os.open(path, flags | os.O_CLOEXEC)
        self.size = self.old_size = self._kept = os.fstat(self.descriptor).st_size
        self._blocks: dict[int, bytearray] = {}
        self._position = 0

    def __repr__(self) -> str:
        return str(self._path)

    def __del__(self) -> None:
        # HDF5 does not close the object that it was given, it forgets it.
        self.close()

    def close(self) -> None:
        if getattr(self, "descriptor", -1) >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._position = offset + (0, self._position, self.size)[whence]
        return self._position

    def tell(self) -> int:
        return self._position

    def read(self, size: int) -> bytes:
        buffer = bytearray(size)
        self.readinto(buffer)
        return bytes(buffer)

    def readinto(self, buffer: bytearray | memoryview) -> int:
        view, start = memoryview(buffer), self._position
        view[:] = _read(self.descriptor, start, len(view), limit=self._kept)
        for index, there, here in _pieces(start, len(view)):
            if index in self._blocks:
                view[here] = self._blocks[index][there]
        self._position += len(view)
        return len(view)

    def write(self, data: bytes | bytearray | memoryview) -> int:
        view, start = memoryview(data), self._position
        for index, there, here in _pieces(start, len(view)):
            if index not in self._blocks:
                self._blocks[index] = bytearray(_read(self.descriptor, index * _BLOCK, _BLOCK, limit=self._kept))
            self._blocks[index][there] = view[here]
        self._position += len(view)
        self.size = max(self.size, self._position)
        return len(view)

    def truncate(self, size: int) -> None:
        # What was beyond the end is zeros from now on, also if the end moves out again.
        self._kept = min(self._kept, size)
        self._blocks = {index: block for index, block in self._blocks.items() if index * _BLOCK < size}
        if size // _BLOCK in self._blocks:
            self._blocks[size // _BLOCK][size % _BLOCK :] = bytes(_BLOCK - size % _BLOCK)
        self.size = size

    def flush(self) -> None:
        pass

    def lay(self, journal: "_Journal") -> None:
        """Look as if *journal* had been applied."""
        self.truncate(journal.new_size)
        self._blocks.update((int(index), bytearray(new.tobytes())) for index, _, new in journal.records)

    def changes(self) -> "_Journal":
        """Return the blocks that differ from the file's own, and the first one in any case, by which it is known."""
        dropped = range(self._kept // _BLOCK, -(-min(self.old_size, self.size) // _BLOCK))
        records = []
        for index in sorted({0, *self._blocks, *dropped}):
            old = _read(self.descriptor, index * _BLOCK, _BLOCK)
            new = self._blocks.get(index) or _read(self.descriptor, index * _BLOCK, _BLOCK, limit=self._kept)
            if index == 0 or old != new:
                records.append((index, np.frombuffer(old, np.uint8), np.frombuffer(new, np.uint8)))
        return _Journal(self.old_size, self.size, np.array(records, _RECORD))


@dataclass(frozen=True, eq=False)
class _Journal:
    """Blocks of a file before and after a change, and its size before and after."""

    old_size: int
    new_size: int
    records: np.ndarray

    def to_bytes(self) -> bytes:
        body = _HEADER.pack(_MAGIC, self.old_size, self.new_size) + self.records.tobytes()
        return body + hashlib.sha256(body).digest()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self | None:
        """Return the journal in *data*, None where that is none or is damaged."""
        body, digest = data[:-_DIGEST_BYTES], data[-_DIGEST_BYTES:]
        if not body.startswith(_MAGIC) or hashlib.sha256(body).digest() != digest:
            return None
        _, old_size, new_size = _HEADER.unpack_from(body)
        return cls(old_size, new_size, np.frombuffer(body, _RECORD, offset=_HEADER.size))

    def fits(self, descriptor: int) -> bool:
        """Whether the file is the one before the change, the one after it, or in between: the one or the other bytewise."""
        if not min(self.old_size, self.new_size) <= os.fstat(descriptor).st_size <= max(self.old_size, self.new_size):
            return False
        for index, old, new in self.records:
            found = np.frombuffer(_read(descriptor, int(index) * _BLOCK, _BLOCK), np.uint8)
            if not ((found == old) | (found == new)).all():
                return False
        return True

    def apply(self, descriptor: int) -> None:
        _put(descriptor, self.records["index"], self.records["new"], self.new_size)

    def undo(self, descriptor: int) -> None:
        _put(descriptor, self.records["index"], self.records["old"], self.old_size)


def _carry_out(path: Path, overlay: _Overlay) -> None:
    journal = overlay.changes()
    if journal.old_size == journal.new_size and (journal.records["old"] == journal.records["new"]).all():
        return
    _place(path, journal)
    try:
        journal.apply(overlay.descriptor)
    except BaseException:
        journal.undo(overlay.descriptor)
        discard(path)
        raise
    discard(path)


def _place(path: Path, journal: _Journal) -> None:
    """Put the journal beside the file, whole or not at all."""
    unfinished = _name(path, ".new")
    try:
        unfinished.write_bytes(journal.to_bytes())
        unfinished.replace(_name(path))
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def _pending(path: Path) -> _Journal | None:
    try:
        return _Journal.from_bytes(_name(path).read_bytes())
    except FileNotFoundError:
        return None


def _name(path: Path, suffix: str = "") -> Path:
    return path.with_name(f"{path.name}.journal{suffix}")


def _open_as_seen(path: Path) -> h5py.File:
    overlay = _Overlay(path)
    journal = _pending(path)
    if journal is not None and journal.fits(overlay.descriptor):
        overlay.lay(journal)
    head = overlay.read(HEAD_BYTES)
    if is_flagged(head):
        overlay.seek(0)
        overlay.write(cleared(head, overlay.size))
    return h5py.File(overlay, "r")


def _state(path: Path) -> list[tuple[int, int, int] | None]:
    """Return what changes when a file or its journal does."""
    state = []
    for each in (path, _name(path)):
        try:
            status = each.stat()
        except FileNotFoundError:
            state.append(None)
        else:
            state.append((status.st_ino, status.st_size, status.st_mtime_ns))
    return state


def _pieces(start: int, count: int) -> Iterator[tuple[int, slice, slice]]:
    """Yield for each block that ``count`` bytes from *start* touch: its index, and the bytes in it and among the count."""
    for index in range(start // _BLOCK, -(-(start + count) // _BLOCK)):
        low, high = max(start, index * _BLOCK), min(start + count, (index + 1) * _BLOCK)
        yield index, slice(low - index * _BLOCK, high - index * _BLOCK), slice(low - start, high - start)


def _read(descriptor: int, offset: int, count: int, *, limit: int | None = None) -> bytes:
    """Return bytes of a file up to *limit*, and zeros from there or from its end on."""
    wanted = count if limit is None else max(0, min(count, limit - offset))
    data = os.pread(descriptor, wanted, offset)
    while len(data) < wanted and (more := os.pread(descriptor, wanted - len(data), offset + len(data))):
        data += more
    return data.ljust(count, b"\0")


def _put(descriptor: int, indices: np.ndarray, blocks: np.ndarray, size: int) -> None:
    """Write blocks to a file and give it a size."""
    for index, block in zip(indices.tolist(), blocks, strict=True):
        offset, data = index * _BLOCK, block.tobytes()[: max(0, size - index * _BLOCK)]
        while data:
            done = os.pwrite(descriptor, data, offset)
            offset, data = offset + done, data[done:]
    os.ftruncate(descriptor, size)
