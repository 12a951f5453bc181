"""Changes to a closed HDF5 file that happen wholly or not at all, whenever the process is killed.

HDF5 writes a change piece by piece, and outside SWMR mode a file that got some of the pieces may be lost. So HDF5
makes the change in memory; the blocks that differ are put beside the file in one go, as a journal; then they are copied
into the file, and the journal is deleted. Whoever finds a journal finishes the copying, or reads the file as if it were
finished. This holds when a process is killed. Nothing waits for the disk, so a power cut may still cost the file.
"""

import hashlib
import os
import signal
import struct
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import h5py
import numpy as np

from ...dynamics.errors import RecordingError
from .overlay import BLOCK, Overlay, read_at, write_blocks
from .superblock import FLAGS_AT, HEAD_BYTES, TORN, cleared, ends_early, is_flagged

# Both HDF5 1.14 and 2 read and write this version, and it allows reading while writing.
_LIBVER = ("v110", "v110")
_HEADER = struct.Struct("<8sQQ")
_MAGIC = b"dynredo1"
_RECORD = np.dtype([("index", "<u8"), ("old", "V", BLOCK), ("new", "V", BLOCK)])
_DIGEST_BYTES = hashlib.sha256().digest_size
# How often a reader looks again at a file that changes while it is being opened.
_TRIES = 20


@contextmanager
def atomically(path: Path) -> Iterator[h5py.File]:
    """Open a closed HDF5 file for any change, and make the whole of it on the disk when the block ends.

    Until then the change is in memory. Nothing is changed if the block raises, or if the disk is full. An interrupt
    waits until the change is made. The caller must be the only writer. Whoever has the file open for reading keeps what
    HDF5 has cached of it, and has to open it again.

    Raises OSError where the file cannot be opened or written, RecordingError where it was not closed.
    """
    redo(path)
    with _interrupts_held(), closing(Overlay(path, os.O_RDWR)) as overlay:
        if is_flagged(overlay.read(HEAD_BYTES)):
            # h5py does not look at the flag of a file object.
            raise RecordingError(f"{path} is open for writing, or its writer was killed")
        with h5py.File(overlay, "r+", libver=_LIBVER) as file:
            yield file
        _carry_out(path, overlay)


def redo(path: Path) -> bool:
    """Finish the change during which the writer of a file was killed; return whether there was one.

    A journal that is damaged, or belongs to another state of the file than this, is deleted. Only the one writer of a
    file may call this, before it does anything else to the file.
    """
    _name(path, ".new").unlink(missing_ok=True)
    journal = _found(path)
    done = journal is not None and _finished(path, journal)
    discard(path)
    return done


def is_pending(path: Path) -> bool:
    """Whether a change to the file was begun and is not finished, so that only :func:`open_patched` reads it."""
    return _name(path).exists()


def discard(path: Path) -> None:
    """Forget a change that was not finished, as is due when the file itself is deleted or replaced."""
    _name(path).unlink(missing_ok=True)


def put_in_place(draft: Path, path: Path) -> None:
    """Put *draft* in the place of the file at *path*, for which nothing of a change that was begun stays."""
    # Until then it is whole, whenever the process dies.
    with suppress(OSError):
        redo(path)
    discard(path)
    draft.replace(path)


def open_patched(path: Path) -> h5py.File:
    """Open a file for reading as if its writer had finished and closed it; nothing is written and nothing locked.

    For a file whose writer was killed, and for one that is closed while its writer changes it. A file that is being
    written in SWMR mode is for HDF5's own SWMR reader: a plain one may fail or even crash at what comes meanwhile.

    Raises OSError, or RecordingError with the reason, where the file cannot be read.
    """
    for _ in range(_TRIES):
        state = _state(path)
        try:
            file = _open_as_found(path)
        except OSError:
            if _state(path) == state:
                raise
            continue
        if _state(path) == state:
            return file
        file.close()
    return _open_as_found(path)


@dataclass(frozen=True, eq=False)
class _Journal:
    """The blocks that a change touches and the size of the file, before it and after it."""

    old_size: int
    new_size: int
    records: np.ndarray

    @classmethod
    def of(cls, overlay: Overlay) -> Self:
        return cls(overlay.old_size, overlay.size, np.array(list(overlay.changes()), _RECORD))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self | None:
        """Return the journal in *data*, None where that is none, or a damaged one."""
        body, digest = data[:-_DIGEST_BYTES], data[-_DIGEST_BYTES:]
        if not body.startswith(_MAGIC) or hashlib.sha256(body).digest() != digest:
            return None
        _, old_size, new_size = _HEADER.unpack_from(body)
        return cls(old_size, new_size, np.frombuffer(body, _RECORD, offset=_HEADER.size))

    def to_bytes(self) -> bytes:
        body = _HEADER.pack(_MAGIC, self.old_size, self.new_size) + self.records.tobytes()
        return body + hashlib.sha256(body).digest()

    def blocks(self, column: str) -> list[tuple[int, bytes]]:
        """Return index and content of each block, old or new."""
        return list(zip(self.records["index"].tolist(), self.records[column].tolist(), strict=True))

    def is_empty(self) -> bool:
        return self.old_size == self.new_size and self.blocks("old") == self.blocks("new")

    def fits(self, descriptor: int) -> bool:
        """Whether each byte of the file is the one before the change or the one after it.

        A journal that stayed behind while the file went on, or was replaced, would destroy it.
        """
        if not min(self.old_size, self.new_size) <= os.fstat(descriptor).st_size <= max(self.old_size, self.new_size):
            return False
        found = b"".join(read_at(descriptor, index * BLOCK, BLOCK) for index in self.records["index"].tolist())
        versions = (found, self.records["old"].tobytes(), self.records["new"].tobytes())
        present, old, new = (np.frombuffer(bytearray(data), np.uint8) for data in versions)
        if self.records["index"][:1].tolist() == [0] and found[FLAGS_AT : FLAGS_AT + 1] == TORN:
            present[FLAGS_AT] = old[FLAGS_AT]
        return bool(((present == old) | (present == new)).all())


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold back what signals raise: HDF5 crashes the process where a file object raises while it is written."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM) if in_main_thread}
    held = {number: handler for number, handler in handlers.items() if callable(handler)}
    came: list[int] = []
    try:
        for number in held:
            signal.signal(number, lambda number, _: came.append(number))
        yield
    finally:
        for number, handler in held.items():
            signal.signal(number, handler)
        for number in came:
            signal.raise_signal(number)


def _carry_out(path: Path, overlay: Overlay) -> None:
    journal = _Journal.of(overlay)
    if journal.is_empty():
        return
    _place(path, journal)
    try:
        _write(overlay.descriptor, journal.blocks("new"), journal.new_size)
    except OSError:
        # The file was not cut yet. Where this fails too, the journal stays, and the change is made the next time.
        with suppress(OSError):
            _write(overlay.descriptor, journal.blocks("old"), journal.old_size)
            discard(path)
        raise
    discard(path)


def _place(path: Path, journal: _Journal) -> None:
    unfinished = _name(path, ".new")
    try:
        unfinished.write_bytes(journal.to_bytes())
        unfinished.replace(_name(path))
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def _found(path: Path) -> _Journal | None:
    try:
        return _Journal.from_bytes(_name(path).read_bytes())
    except FileNotFoundError:
        return None


def _finished(path: Path, journal: _Journal) -> bool:
    with path.open("r+b", buffering=0) as file:
        fits = journal.fits(file.fileno())
        if fits:
            _write(file.fileno(), journal.blocks("new"), journal.new_size)
    return fits


def _write(descriptor: int, blocks: list[tuple[int, bytes]], size: int) -> None:
    """Write the blocks of a change; whoever finds some of them in the file, and no journal, sees that it is torn."""
    head, *others = blocks
    os.pwrite(descriptor, TORN, FLAGS_AT)
    write_blocks(descriptor, [*others, head], size)


def _open_as_found(path: Path) -> h5py.File:
    overlay = Overlay(path)
    journal = _found(path)
    if journal is not None and journal.fits(overlay.descriptor):
        overlay.lay(journal.blocks("new"), journal.new_size)
    head = overlay.read(HEAD_BYTES)
    if is_flagged(head) or ends_early(head, overlay.size):
        overlay.seek(0)
        overlay.write(cleared(head, overlay.size, name=path))
    return h5py.File(overlay, "r")


def _state(path: Path) -> tuple[tuple[int, int, int] | None, ...]:
    """Return what tells one state of a file and its journal from another."""
    return _stamp(path), _stamp(_name(path))


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def _name(path: Path, suffix: str = "") -> Path:
    return path.with_name(f"{path.name}.journal{suffix}")
