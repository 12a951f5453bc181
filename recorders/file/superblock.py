"""The first bytes of an HDF5 file: whether a writer has it open, how long it is, and how to say that it is closed."""

import os
import struct
from pathlib import Path

from ...dynamics.errors import RecordingError

# Superblock versions 2 and 3 with addresses of eight bytes: signature, version, size of addresses, size of lengths,
# flags, base address, address of the extension, end of file, address of the root group, checksum of all before it.
_LAYOUT = struct.Struct("<8s4B4QI")
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_CHECKSUM = struct.Struct("<I")
_MASK = 0xFFFFFFFF
HEAD_BYTES = _LAYOUT.size
# What stands where the flags are, FLAGS_AT, while a file is being changed: no version of HDF5 opens it then.
FLAGS_AT, TORN = 11, b"\x80"


def is_flagged(head: bytes) -> bool:
    """Whether the superblock in *head*, a file's first bytes, says that a writer has the file open, or died with it.

    False for a superblock of another version: that keeps no such flag.
    """
    return _is_known(head) and head[FLAGS_AT] != 0


def ends_early(head: bytes, size: int) -> bool:
    """Whether the superblock of a closed file says that it ends before its *size*.

    So it is left by a second HDF5 that closes it, such as that of a child that was forked from its writer. HDF5 would
    read nothing that lies behind, and cut it off at the next writing.
    """
    return _is_known(head) and head[FLAGS_AT] == 0 and _LAYOUT.unpack(head[:HEAD_BYTES])[7] < size


def cleared(head: bytes, size: int, *, name: str | Path = "the file", given_up: bool = False) -> bytes:
    """Return the superblock in *head* as if its file of *size* bytes had been closed: no flag, its end there.

    A SWMR writer puts the end into the superblock last, and adding from an older end overwrites rows. The true end is
    the size of the file: HDF5 writes a thing before it links to it, so nothing that can be reached lies beyond. A file
    shorter than its superblock says was cut off, unless it was *given_up*: when a write fails, as on a full disk, HDF5
    says all the same how long the file would have become.

    Raises RecordingError, with the *name* of the file, for a superblock that is damaged, of another version, or of a
    file that was cut off.
    """
    if _is_known(head) and head[FLAGS_AT : FLAGS_AT + 1] == TORN:
        raise RecordingError(
            f"{name} was being changed when its writer was killed, and what was to be changed is not beside it: put "
            "back the file that lay there, of the same name and .journal"
        )
    if not _is_known(head):
        raise RecordingError(f"{name} has no superblock of version 2 or 3, as HDF5 1.10 and later write it")
    *fields, checksum = _LAYOUT.unpack(head[:HEAD_BYTES])
    if checksum != lookup3(head[: HEAD_BYTES - _CHECKSUM.size]):
        raise RecordingError(f"{name} has a damaged superblock: its checksum is wrong")
    if size < fields[7] and not given_up:
        raise RecordingError(f"{name} is truncated: it has {size} bytes of at least {fields[7]}")
    fields[4], fields[7] = 0, size
    body = _LAYOUT.pack(*fields, 0)[: -_CHECKSUM.size]
    return body + _CHECKSUM.pack(lookup3(body))


def clear_in_place(path: Path, *, given_up: bool = False) -> bool:
    """Say in the file itself that it is closed, and return whether that was needed; nobody may be writing it.

    *given_up*: its writer could not write any more.

    Raises RecordingError for a superblock that is damaged, of another version, or of a file that was cut off.
    """
    with path.open("r+b", buffering=0) as file:
        head, size = file.read(HEAD_BYTES), os.fstat(file.fileno()).st_size
        patched = cleared(head, size, name=path, given_up=given_up)
        if needed := is_flagged(head) or ends_early(head, size):
            os.pwrite(file.fileno(), patched, 0)
    return needed


def mend(path: Path) -> None:
    """Say in a file that is not open for writing where it ends, should its superblock not know."""
    with path.open("rb", buffering=0) as file:
        is_short = ends_early(file.read(HEAD_BYTES), os.fstat(file.fileno()).st_size)
    if is_short:
        clear_in_place(path)


def lookup3(data: bytes) -> int:
    """Return Jenkins' hash of *data*, 32 bits: ``hashlittle`` of lookup3.c (May 2006) with the initial value 0."""
    a = b = c = 0xDEADBEEF + len(data) & _MASK
    if not data:
        return c
    *triples, last = struct.iter_unpack("<3I", data + bytes(-len(data) % 12))
    for x, y, z in triples:
        a, b, c = _mixed(a + x & _MASK, b + y & _MASK, c + z & _MASK)
    x, y, z = last
    return _finished(a + x & _MASK, b + y & _MASK, c + z & _MASK)


def _is_known(head: bytes) -> bool:
    return len(head) >= HEAD_BYTES and head[:8] == _SIGNATURE and head[8] in (2, 3) and head[9] == 8


def _rotated(word: int, bits: int) -> int:
    return (word << bits | word >> (32 - bits)) & _MASK


def _mixed(a: int, b: int, c: int) -> tuple[int, int, int]:
    for bits in (4, 6, 8, 16, 19, 4):
        a = (a - c & _MASK) ^ _rotated(c, bits)
        a, b, c = b, b + c & _MASK, a
    return a, b, c


def _finished(a: int, b: int, c: int) -> int:
    for bits in (14, 11, 25, 16, 4, 14, 24):
        a, b, c = b, (c ^ b) - _rotated(b, bits) & _MASK, a
    return b
