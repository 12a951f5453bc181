"""Changes that happen wholly or not at all; for writers that are killed see test_killed_writers.py."""

import errno
import os
import shutil
import signal

import h5py
import numpy as np
import pytest

from dyn.dynamics.errors import RecordingError
from dyn.recorders.file import journal
from dyn.recorders.file.journal import atomically, discard, is_pending, open_patched, put_in_place, redo
from dyn.recorders.file.superblock import HEAD_BYTES, cleared

LIBVER = ("v110", "v110")


class KilledError(BaseException):
    """Nothing handles this, as nothing handles a kill."""


@pytest.fixture
def file(path):
    """A closed file."""
    with h5py.File(path, "w", libver=LIBVER) as file:
        file.create_dataset("step", data=np.arange(50), maxshape=(None,), chunks=(8,)).make_scale("step")
        w = file.create_dataset("w", data=np.ones((50, 3)), maxshape=(None, 3), chunks=(8, 3))
        w.dims[0].attach_scale(file["step"])
        file["big"] = np.arange(3000.0)
        file.attrs["status"] = "recording"
    return path


@pytest.fixture
def leave_pending(monkeypatch):
    """A function that makes a change and is killed before the first block is in the file."""

    def leave(path, status):
        def killed(*_):
            raise KilledError

        with monkeypatch.context() as patch:
            patch.setattr(os, "pwrite", killed)
            with pytest.raises(KilledError):
                set_status(path, status)
        assert is_pending(path)

    return leave


def change_everything(file):
    """Do whatever a recorder may want to do to a closed file."""
    late = file.create_dataset("scalars/loss", (50,), np.float64, maxshape=(None,), chunks=(8,), fillvalue=np.nan)
    late.dims[0].attach_scale(file["step"])
    late.attrs["names"] = ["one", "zwölf"]
    file["w"].resize(60, axis=0)
    file["w"][50:] = 2
    file["step"].resize(30, axis=0)
    contiguous = file.create_dataset("contiguous", (4000,), np.float32)
    contiguous[0] = 1
    # What was set aside and not written yet is read as zeros.
    assert contiguous[:].sum() == 1
    del file["big"]
    file.create_dataset("text", data=["a", "bc"], dtype=h5py.string_dtype())
    file.attrs["status"] = "complete"


def set_status(path, status):
    with atomically(path) as file:
        file.attrs["status"] = status


def seen_status(path):
    with open_patched(path) as file:
        return file.attrs["status"]


def folder_of(path):
    return {each.name: each.read_bytes() for each in path.parent.iterdir()}


def content(path):
    """Names, attributes and values, without the references that differ from file to file."""
    found = {}

    def visit(name, node):
        found[name] = (
            sorted(node.attrs),
            node.attrs.get("names"),
            node[()] if isinstance(node, h5py.Dataset) else None,
        )

    with h5py.File(path) as file:
        file.visititems(visit)
        return found | {"/": dict(file.attrs), "scale": file["scalars/loss"].dims[0][0].name}


def test_a_change_is_as_hdf5_itself_makes_it(file, tmp_path):
    reference = shutil.copy(file, tmp_path / "reference")
    with h5py.File(reference, "r+", libver=LIBVER) as plain:
        change_everything(plain)
    before = folder_of(file)
    with atomically(file) as changing:
        change_everything(changing)
        changing.flush()
        assert folder_of(file) == before
    np.testing.assert_equal(content(file), content(reference))
    after = folder_of(file)
    assert after.keys() == before.keys()
    # No flag is left, and the end of file is right.
    assert cleared(after["run.h5"], len(after["run.h5"])) == after["run.h5"][:HEAD_BYTES]


def test_a_block_that_raises_changes_nothing(file):
    before = folder_of(file)
    with pytest.raises(ZeroDivisionError), atomically(file) as changing:
        change_everything(changing)
        raise ZeroDivisionError
    assert folder_of(file) == before


def test_nothing_is_written_without_a_change(file, monkeypatch):
    monkeypatch.setattr(os, "replace", None)
    monkeypatch.setattr(os, "pwrite", None)
    with atomically(file) as unchanged:
        assert unchanged.attrs["status"] == "recording"


def test_only_what_hdf5_needs_is_read(path, monkeypatch):
    with h5py.File(path, "w", libver=LIBVER) as file:
        file.create_dataset("w", data=np.ones((1000, 1000)), maxshape=(None, 1000), chunks=(16, 1000))
    pread, counts = os.pread, []
    monkeypatch.setattr(os, "pread", lambda *arguments: counts.append(arguments[1]) or pread(*arguments))
    with atomically(path) as file:
        file["late"] = 1
    assert 0 < sum(counts) < 2**16 < path.stat().st_size


@pytest.mark.parametrize("call", ["write_bytes", "replace", "pwrite 1", "pwrite 3", "ftruncate"])
def test_a_full_disk_changes_nothing(file, monkeypatch, call):
    before = folder_of(file)
    name, _, when = call.partition(" ")
    owner = type(file) if name == "write_bytes" else os
    original, calls = getattr(owner, name), []

    def full(*arguments):
        calls.append(arguments)
        if len(calls) == int(when or 1):
            if name in ("write_bytes", "pwrite"):
                original(arguments[0], arguments[1][:1000], *arguments[2:])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return original(*arguments)

    monkeypatch.setattr(owner, name, full)
    with pytest.raises(OSError, match="No space"), atomically(file) as changing:
        change_everything(changing)
    assert folder_of(file) == before


def test_a_disk_that_fails_for_good_leaves_the_change_to_be_redone(file, monkeypatch):
    def failing(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "pwrite", failing)
    with pytest.raises(OSError, match="Input/output"):
        set_status(file, "complete")
    assert seen_status(file) == "complete"
    discard(file)
    assert seen_status(file) == "recording"


def test_a_change_that_was_not_finished_comes_before_the_next(file, leave_pending):
    leave_pending(file, "first")
    with atomically(file) as changing:
        assert changing.attrs["status"] == "first"
        changing.attrs["status"] = "second"
    assert (seen_status(file), is_pending(file)) == ("second", False)


@pytest.mark.parametrize("damage", ["cut", "empty", "changed", "no journal"])
def test_a_damaged_journal_counts_for_nothing(file, leave_pending, damage):
    before, beside = file.read_bytes(), file.with_name("run.h5.journal")
    leave_pending(file, "complete")
    whole = beside.read_bytes()
    damaged = {"cut": whole[:-1], "empty": b"", "changed": whole[:99] + b"?" + whole[100:], "no journal": b"x" * 99}
    beside.write_bytes(damaged[damage])
    assert seen_status(file) == "recording"
    assert not redo(file)
    assert folder_of(file) == {"run.h5": before}


@pytest.mark.parametrize("since", ["longer", "other"])
def test_a_journal_that_stayed_behind_does_not_undo_what_came_since(file, leave_pending, since):
    leave_pending(file, "complete")
    stale = file.with_name("run.h5.journal").read_bytes()
    redo(file)
    after = file.read_bytes()
    after = after + b"rows" if since == "longer" else after[:1000] + bytes([after[1000] ^ 1]) + after[1001:]
    file.write_bytes(after)
    file.with_name("run.h5.journal").write_bytes(stale)
    assert not redo(file)
    assert folder_of(file) == {"run.h5": after}


@pytest.mark.parametrize("pending", [False, True])
@pytest.mark.parametrize("moment", ["_found", "_open_as_found"])
def test_a_reader_looks_again_when_the_file_changed_as_it_opened(file, leave_pending, monkeypatch, pending, moment):
    if pending:
        leave_pending(file, "first")
    original = getattr(journal, moment)

    def overtaken(path):
        result = original(path)
        monkeypatch.setattr(journal, moment, original)
        with atomically(path) as changing:
            change_everything(changing)
        return result

    monkeypatch.setattr(journal, moment, overtaken)
    with open_patched(file) as reader:
        assert reader.attrs["status"] == "complete"
        assert reader["w"].shape == (60, 3)
        np.testing.assert_array_equal(reader["text"].asstr()[:], ["a", "bc"])


def test_a_file_that_is_being_written_is_refused(file):
    with h5py.File(file, "r+", libver=LIBVER), pytest.raises(RecordingError, match="is open for writing"):
        set_status(file, "complete")
    assert seen_status(file) == "recording"


def test_a_reader_in_the_same_process_is_not_in_the_way_and_opens_again(file):
    with h5py.File(file, "r") as reader:
        set_status(file, "complete")
        assert seen_status(file) == "complete"
        # HDF5 keeps one state for a path, with whatever it has cached.
        with h5py.File(file, "r") as again:
            assert again["w"] == reader["w"]
    with h5py.File(file, "r") as reader:
        assert reader.attrs["status"] == "complete"


@pytest.fixture
def heeded():
    """Ctrl-C as Python answers it: a shell that starts the tests in the background has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeded")
def test_an_interrupt_waits_until_the_change_is_made(file):
    with pytest.raises(KeyboardInterrupt), atomically(file) as changing:
        signal.raise_signal(signal.SIGINT)
        changing.attrs["status"] = "complete"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert (seen_status(file), is_pending(file)) == ("complete", False)


def test_half_a_change_without_its_journal_is_never_read_as_a_whole_one(file, monkeypatch):
    """It is torn from its first byte to its last."""
    pwrite, whole, moments = os.pwrite, file.read_bytes(), []

    def seen(*arguments):
        moments.append(file.read_bytes())
        return pwrite(*arguments)

    monkeypatch.setattr(os, "pwrite", seen)
    with atomically(file) as changed:
        change_everything(changed)
    monkeypatch.undo()
    assert moments[0] == whole
    assert len(moments) > 3
    for moment in moments[1:]:
        file.write_bytes(moment)
        with pytest.raises(OSError, match="Unable to"):
            h5py.File(file, "r")
        with pytest.raises(RecordingError, match="was being changed when its writer was killed"):
            open_patched(file)


def test_a_file_takes_the_place_of_one_with_a_journal(file, leave_pending, tmp_path):
    leave_pending(file, "complete")
    draft = tmp_path / "draft.h5"
    with h5py.File(draft, "w", libver=LIBVER) as new:
        new["x"] = 1
    put_in_place(draft, file)
    assert not is_pending(file)
    with open_patched(file) as found:
        assert list(found) == ["x"]


def test_until_then_the_one_that_is_there_is_whole(file, leave_pending, tmp_path, monkeypatch):
    leave_pending(file, "complete")
    monkeypatch.setattr(type(file), "replace", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        put_in_place(tmp_path / "draft.h5", file)
    with h5py.File(file, "r") as found:
        assert found.attrs["status"] == "complete"


def test_a_journal_without_its_file_is_in_nobodys_way(file, leave_pending, tmp_path):
    leave_pending(file, "complete")
    draft = file.rename(tmp_path / "draft.h5")
    put_in_place(draft, file)
    assert not is_pending(file)
