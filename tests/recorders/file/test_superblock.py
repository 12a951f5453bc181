"""The head of an HDF5 file, against what HDF5 itself writes and reads."""

import h5py
import numpy as np
import pytest

from dyn.dynamics.errors import RecordingError
from dyn.recorders.file.superblock import (
    FLAGS_AT,
    HEAD_BYTES,
    TORN,
    clear_in_place,
    cleared,
    ends_early,
    is_flagged,
    lookup3,
    mend,
)

LIBVER = ("v110", "v110")


@pytest.fixture
def closed(path):
    """A closed file of four rows."""
    with h5py.File(path, "w", libver=LIBVER) as file:
        file.create_dataset("x", data=np.arange(4.0), maxshape=(None,), chunks=(4,))
    return path


@pytest.fixture
def killed(closed, tmp_path):
    """The file as a kill leaves it in the midst of a flush, when all is written but the superblock."""
    copy = tmp_path / "killed.h5"
    with h5py.File(closed, "r+", libver=LIBVER) as file:
        file.swmr_mode = True
        head = head_of(closed)
        append(file, 100)
        file.flush()
        copy.write_bytes(head + closed.read_bytes()[HEAD_BYTES:])
    assert head_of(closed) != head
    return copy


def append(file, rows):
    start = len(file["x"])
    file["x"].resize(start + rows, axis=0)
    file["x"][start:] = np.arange(start, start + rows)


def head_of(path):
    return path.read_bytes()[:HEAD_BYTES]


@pytest.mark.parametrize(("data", "expected"), [(b"", 0xDEADBEEF), (b"Four score and seven years ago", 0x17770551)])
def test_the_hash_has_its_authors_values(data, expected):
    assert lookup3(data) == expected


@pytest.mark.parametrize("libver", ["v108", "v110", "latest"])
@pytest.mark.parametrize("rows", [0, 7, 5000])
def test_the_head_of_a_closed_file_is_as_hdf5_writes_it(path, libver, rows):
    with h5py.File(path, "w", libver=(libver, libver)) as file:
        file["x"] = np.arange(rows)
    assert cleared(head_of(path), path.stat().st_size) == head_of(path)


def test_a_file_is_flagged_while_it_is_written(closed):
    assert not is_flagged(head_of(closed))
    with h5py.File(closed, "r+", libver=LIBVER) as file:
        assert is_flagged(head_of(closed))
        file.swmr_mode = True
        assert is_flagged(head_of(closed))
    assert not is_flagged(head_of(closed))


def test_a_killed_file_opens_once_its_head_is_cleared(killed):
    with pytest.raises(OSError, match="already open"):
        h5py.File(killed, "r")
    assert clear_in_place(killed)
    with h5py.File(killed, "r") as file:
        np.testing.assert_array_equal(file["x"], np.arange(104))


def test_what_is_added_to_a_killed_file_overwrites_nothing(killed):
    clear_in_place(killed)
    with h5py.File(killed, "r+", libver=LIBVER) as file:
        file["more"] = np.full(1000, -1.0)
        file.swmr_mode = True
        append(file, 50)
    with h5py.File(killed, "r") as file:
        np.testing.assert_array_equal(file["x"], np.arange(154))
        np.testing.assert_array_equal(file["more"], np.full(1000, -1.0))


def test_only_the_head_is_written(killed):
    before = killed.read_bytes()
    clear_in_place(killed)
    assert killed.read_bytes() == cleared(before[:HEAD_BYTES], len(before)) + before[HEAD_BYTES:]


def test_a_closed_file_is_left_alone(closed):
    before = closed.read_bytes()
    assert not clear_in_place(closed)
    assert closed.read_bytes() == before


def test_a_file_that_was_cut_off_is_not_declared_whole(killed):
    with killed.open("r+b") as file:
        file.truncate(200)
    before = killed.read_bytes()
    with pytest.raises(RecordingError, match=r"killed\.h5 is truncated: it has 200 bytes"):
        clear_in_place(killed)
    assert killed.read_bytes() == before


def test_a_file_that_was_given_up_ends_where_it_ends(killed):
    size = killed.stat().st_size
    too_long = cleared(killed.read_bytes()[:HEAD_BYTES], size + 1000)
    with pytest.raises(RecordingError, match="truncated"):
        cleared(too_long, size)
    assert cleared(too_long, size, given_up=True) == cleared(head_of(killed), size)


@pytest.mark.parametrize("byte", [11, 30, 44, 47])
def test_a_damaged_head_is_not_made_valid(closed, byte):
    head = bytearray(head_of(closed))
    head[byte] ^= 0x10
    with pytest.raises(RecordingError, match="checksum is wrong"):
        cleared(bytes(head), closed.stat().st_size)


def test_other_files_are_not_touched(path):
    with h5py.File(path, "w", libver=("earliest", "latest")) as file:
        file["x"] = 1
    for content in (path.read_bytes(), b"", b"\x89HDF\r\n\x1a\n\x03", b"no HDF5, but as long as a head of it is" * 2):
        path.write_bytes(content)
        assert not is_flagged(content)
        with pytest.raises(RecordingError, match="no superblock of version 2 or 3"):
            clear_in_place(path)
        assert path.read_bytes() == content


def shorten(path):
    """Say what a forked child's HDF5 says on closing: no flag, and the end that the file had when it was forked."""
    head = head_of(path)
    size = path.stat().st_size
    path.write_bytes(cleared(head, size - 500, given_up=True) + path.read_bytes()[HEAD_BYTES:])
    return size


def test_a_closed_file_that_ends_behind_its_end_is_damaged_and_mended(killed):
    size = shorten(killed)
    assert not is_flagged(head_of(killed))
    assert ends_early(head_of(killed), size)
    mend(killed)
    assert head_of(killed) == cleared(head_of(killed), size)
    with h5py.File(killed, "r+", libver=LIBVER) as file:
        np.testing.assert_array_equal(file["x"], np.arange(104))
    assert killed.stat().st_size >= size


def test_what_is_sound_or_open_for_writing_is_not_mended(closed):
    before = closed.read_bytes()
    mend(closed)
    assert closed.read_bytes() == before
    with h5py.File(closed, "r+", libver=LIBVER) as file:
        file.swmr_mode = True
        before = head_of(closed)
        mend(closed)
        assert head_of(closed) == before


def test_a_torn_file_says_what_is_missing(closed):
    head = bytearray(head_of(closed))
    head[FLAGS_AT : FLAGS_AT + 1] = TORN
    with pytest.raises(RecordingError, match=r"run\.h5 was being changed .*put back the file .*\.journal"):
        cleared(bytes(head), closed.stat().st_size, name="run.h5")
