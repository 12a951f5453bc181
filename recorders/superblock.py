"""The first bytes of an HDF5 file: whether a writer has it open, how long it is, and how to say that it is closed."""

import os
import struct
from pathlib import Path

from ..dynamics.errors import RecordingError

# Superblock versions 2 and 3 with addresses of eight bytes: signature, version, size of addresses, size of lengths,
# flags, base address, address of the extension, end of file, address of the root group, checksum of all before it.
_LAYOUT = struct.Struct("<8s4B4QI")
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_CHECKSUM_BYTES = 4
HEAD_BYTES = _LAYOUT.size


def is_flagged(head: bytes) -> bool:
    """Whether the superblock in *head*, a file's first bytes, says that a writer has the file open, or died with it.

    False for a superblock of another version: those keep no such flag.
    """
    return _is_known(head) and head[11] != 0


def end_of_file(head: bytes) -> int:
    """Return the length that the file should have, in bytes.

    Raises RecordingError for a superblock that is damaged or of another version.
    """
    return _fields(head)[7]


def cleared(head: bytes, size: int) -> bytes:
    """Return the superblock of *head* as if its file of *size* bytes had been closed: no flag, the end of file there.

    The end of file is the file's true length, because whatever a writer that died had linked into the file, it had
    written: what lies in the file stays, and what is added comes behind it. The end that the superblock gave is that of
    the moment when the writer opened the file; adding from there would overwrite rows.

    Raises RecordingError for a superblock that is damaged or of another version.
    """
    fields = _fields(head)
    body = _LAYOUT.pack(*fields[:4], 0, *fields[5:7], size, fields[8], 0)[:-_CHECKSUM_BYTES]
    return body + struct.pack("<I", lookup3(body))


def clear_in_place(path: Path) -> bool:
    """Say in the file itself that it is closed, and return whether that was needed; nobody may be writing it.

    Raises RecordingError for a superblock that is damaged or of another version.
    """
    with path.open("r+b", buffering=0) as file:
        head = os.pread(file.fileno(), HEAD_BYTES, 0)
        _fields(head)
        if is_flagged(head):
            os.pwrite(file.fileno(), cleared(head, os.fstat(file.fileno()).st_size), 0)
            return True
    return False


def lookup3(data: bytes) -> int:
    """Return Jenkins' hash of *data*, 32 bits: ``hashlittle`` with the initial value 0 (lookup3.c, May 2006)."""
    a = b = c = (0xDEADBEEF + len(data)) & _MASK
    if not data:
        return c
    *triples, last = struct.iter_unpack("<3I", data + bytes(-len(data) % 12))
    for triple in triples:
        a, b, c = _mixed(*_added((a, b, c), triple))
    return _finished(*_added((a, b, c), last))


_MASK = 0xFFFFFFFF


def _turned(word: int, bits: int) -> int:
    return (word << bits | word >> (32 - bits)) & _MASK


def _added(state: tuple[int, int, int], words: tuple[int, ...]) -> tuple[int, int, int]:
    a, b, c = (value + word & _MASK for value, word in zip(state, words, strict=True))
    return a, b, c


def _mixed(a: int, b: int, c: int) -> tuple[int, int, int]:
    for bits in (4, 6, 8, 16, 19, 4):
        a = (a - c & _MASK) ^ _turned(c, bits)
        c = c + b & _MASK
        a, b, c = b, c, a
    return a, b, c


def _finished(a: int, b: int, c: int) -> int:
    for bits in (14, 11, 25, 16, 4, 14, 24):
        a, b, c = b, (c ^ b) - _turned(b, bits) & _MASK, a
    return b


def _is_known(head: bytes) -> bool:
    return len(head) >= HEAD_BYTES and head[:8] == _SIGNATURE and head[8] in (2, 3) and head[9] == 8


def _fields(head: bytes) -> tuple:
    if not _is_known(head):
        raise RecordingError("the file does not begin as an HDF5 file of superblock version 2 or 3 does")
    head = head[:HEAD_BYTES]
    fields = _LAYOUT.unpack(head)
    if fields[-1] != lookup3(head[:-_CHECKSUM_BYTES]):
        raise RecordingError("the superblock of the file is damaged: its checksum is wrong")
    return fields
