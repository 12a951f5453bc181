"""A file object that keeps its changes in memory, against a real file."""

import os

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dyn.recorders.file.overlay import BLOCK, Overlay, read_at, write_blocks

END = 3 * BLOCK
OFFSETS = st.one_of(st.integers(0, END), st.sampled_from([0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, END - 1]))
LENGTHS = st.sampled_from([0, 1, 100, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK])
CHANGES = st.lists(st.tuples(OFFSETS, st.one_of(st.none(), LENGTHS)), max_size=6)


@pytest.fixture(scope="module")
def beneath(tmp_path_factory):
    return tmp_path_factory.mktemp("overlay") / "file"


def change(file, changes):
    """Truncate where there is no length, else write."""
    for number, (offset, length) in enumerate(changes, start=1):
        if length is None:
            file.truncate(offset)
        elif length:
            file.seek(offset)
            file.write(bytes([number]) * length)


@example(size=END, changes=[(10, None), (END - 5, 1)], window=(0, END))
@given(size=OFFSETS, changes=CHANGES, window=st.tuples(OFFSETS, LENGTHS))
def test_it_reads_as_the_file_would_that_was_changed(beneath, size, changes, window):
    beneath.write_bytes(b"\xff" * size)
    reference = beneath.with_name("reference")
    reference.write_bytes(b"\xff" * size)
    overlay = Overlay(beneath)
    change(overlay, changes)
    with reference.open("r+b", buffering=0) as file:
        change(file, changes)
    expected = reference.read_bytes()
    assert overlay.size == overlay.seek(0, os.SEEK_END) == len(expected)
    offset, length = window
    overlay.seek(offset)
    assert overlay.read(length) == expected[offset : offset + length].ljust(length, b"\0")
    assert overlay.tell() == offset + length
    assert beneath.read_bytes() == b"\xff" * size

    # Its changes turn the one file into the other, and back as long as nothing was cut off.
    blocks = list(overlay.changes())
    new, old = [(index, new) for index, _, new in blocks], [(index, old) for index, old, _ in blocks]
    with beneath.open("r+b", buffering=0) as file:
        write_blocks(file.fileno(), new, max(overlay.size, size))
        write_blocks(file.fileno(), old, size)
        assert beneath.read_bytes() == b"\xff" * size
        write_blocks(file.fileno(), new, overlay.size)
        assert beneath.read_bytes() == expected
    overlay.close()


def test_only_what_differs_is_a_change_and_the_first_block(beneath):
    beneath.write_bytes(bytes(range(256)) * 64)
    overlay = Overlay(beneath)
    overlay.seek(BLOCK)
    overlay.write(bytes(range(256)) * 16)
    overlay.seek(2 * BLOCK + 5)
    overlay.write(b"x")
    assert [index for index, _, _ in overlay.changes()] == [0, 2]


def test_laid_blocks_replace_the_files_own(beneath):
    beneath.write_bytes(b"a" * 2 * BLOCK)
    overlay = Overlay(beneath)
    overlay.lay([(1, b"b" * BLOCK)], BLOCK + 10)
    assert overlay.read(BLOCK + 10) == b"a" * BLOCK + b"b" * 10
    assert overlay.size == BLOCK + 10


def test_a_short_write_is_continued(beneath, monkeypatch):
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda descriptor, data, offset: pwrite(descriptor, data[:1000], offset))
    beneath.write_bytes(b"")
    block = os.urandom(BLOCK)
    with beneath.open("r+b", buffering=0) as file:
        write_blocks(file.fileno(), [(1, block)], BLOCK + 3000)
    assert beneath.read_bytes() == bytes(BLOCK) + block[:3000]


def test_a_short_read_is_continued(beneath, monkeypatch):
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda descriptor, count, offset: pread(descriptor, min(count, 1000), offset))
    beneath.write_bytes(content := os.urandom(BLOCK))
    with beneath.open("rb", buffering=0) as file:
        assert read_at(file.fileno(), 10, BLOCK) == content[10:] + bytes(10)


def test_the_file_beneath_is_let_go(beneath):
    beneath.write_bytes(b"")
    descriptor = Overlay(beneath).descriptor
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
