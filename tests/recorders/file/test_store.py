"""Rows on their way into the file: appended, committed, replaced, given up."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
import pytest

import dyn
from dyn.dynamics.errors import RecordingError
from dyn.recorders.file.creation import create_file
from dyn.recorders.file.hdf5 import array_paths
from dyn.recorders.file.store import Store, atomic_change
from dyn.recorders.file.superblock import lookup3
from dyn.recorders.reading.opening import open_file
from dyn.recorders.reading.recording import snapshot_of
from dyn.recorders.ring.channels import Block, array_channel

# A store is no training, which has a ring.
without_ring = pytest.mark.filterwarnings("ignore:.*is not beside it:UserWarning")

PROBE = array_channel("probes", "p", np.zeros(2))


@pytest.fixture
def store(path):
    """A store of one probe of two numbers and the loss."""
    create_file(path, [PROBE], ["loss"], config="{}", token="abc")
    store = Store(path)
    yield store
    store.abandon()


def block(start: int, stop: int, sign: int = 1, **scalars: float) -> Block:
    """Rows whose every number is the step, times the sign."""
    steps = np.arange(start, stop)
    values = sign * steps.astype(float)
    others = {name: np.full(len(steps), value) for name, value in scalars.items()}
    channels = {"probes/p": np.stack([values, values], axis=1)}
    return Block(steps, steps / 8, {"loss": values, **others}, channels)


def rows_of(file: h5py.File) -> list[float]:
    """The losses of the committed rows, which the other arrays must agree with."""
    rows = int(file["committed"][0])
    loss = file["scalars/loss"][:rows]
    np.testing.assert_array_equal(file["probes/p"][:rows], np.stack([loss, loss], axis=1))
    np.testing.assert_array_equal(file["step"][:rows], np.arange(rows))
    np.testing.assert_array_equal(file["time"][:rows], np.arange(rows) / 8)
    return loss.tolist()


def live_rows(path: Path) -> list[float]:
    """What a reader in another process finds: HDF5 keeps one state of a file for all who have it open in this one."""
    copy = path.with_name("copy.h5")
    shutil.copyfile(path, copy)
    with h5py.File(copy, swmr=True, locking=False) as file:
        return rows_of(file)


def closed_rows(path: Path) -> list[float]:
    with h5py.File(path) as file:
        assert all(len(file[name]) == file["committed"][0] for name in array_paths(file))
        return rows_of(file)


def test_rows_are_there_as_soon_as_they_are_appended(store, path):
    assert live_rows(path) == []
    store.append(block(0, 3))
    assert live_rows(path) == [0, 1, 2]
    store.append(block(3, 4))
    assert live_rows(path) == [0, 1, 2, 3]
    store.close("complete", final_row=1)
    assert closed_rows(path) == [0, 1, 2, 3]
    with h5py.File(path, "r+") as file:
        assert (file.attrs["status"], file.attrs["final_row"]) == ("complete", 1)
        file.attrs["note"] = "no consistency flag is left"


def test_rows_of_steps_that_are_there_replace_those_and_all_after_them(store, path):
    store.append(block(0, 6))
    store.append(block(4, 5, sign=-1))
    assert live_rows(path) == [0, 1, 2, 3, -4]
    store.append(block(5, 7, sign=-1))
    assert live_rows(path) == [0, 1, 2, 3, -4, -5, -6]
    store.append(block(0, 1, sign=-1))
    store.close("complete")
    assert closed_rows(path) == [0]


def test_a_scalar_that_comes_late_is_nan_before_and_where_it_is_not_given(store, path):
    store.append(block(0, 2))
    store.append(block(2, 4, **{"train/late": 7}))
    store.append(block(4, 5))
    store.close("complete")
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["scalars/train/late"], [np.nan, np.nan, 7, 7, np.nan])


def test_what_is_added_has_attributes_and_its_fill_value_before(store, path):
    store.append(block(0, 2))
    store.add_scalars(["x"], {"unit": "m"})
    store.add_channel(array_channel("probes", "q", np.zeros(3, np.int32)), {"unit": "s"})
    assert {"scalars/x", "probes/q"} < set(store.arrays)
    store.append(block(2, 3))
    store.close("complete")
    with h5py.File(path) as file:
        assert (file["scalars/x"].attrs["unit"], file["probes/q"].attrs["unit"]) == ("m", "s")
        np.testing.assert_array_equal(file["probes/q"], np.zeros((3, 3)))
        np.testing.assert_array_equal(file["scalars/x"], [np.nan] * 3)


def test_a_file_is_gone_on_with_where_it_ended(store, path):
    store.append(block(0, 3))
    store.close("complete")
    again = Store(path)
    assert again.rows == 3
    again.append(block(2, 5, sign=-1))
    again.close("complete")
    assert closed_rows(path) == [0, 1, -2, -3, -4]


def test_rows_that_were_never_committed_are_cut_off(store, path):
    store.append(block(0, 5))
    store.close("recording")
    atomic_change(path, lambda file: file["committed"].write_direct(np.array([3])))
    Store(path).close("recording")
    assert closed_rows(path) == [0, 1, 2]
    again = Store(path)
    again.append(block(3, 4, sign=-1))
    again.close("complete")
    assert closed_rows(path) == [0, 1, 2, -3]


@without_ring
def test_a_store_that_is_killed_at_any_moment_has_whole_rows(store, path, snapshots):
    with snapshots(path) as moments:
        store.append(block(0, 4))
        store.append(block(4, 6, late=1))
        store.append(block(5, 8, sign=-1))
        store.close("complete")
    known = [[], [*range(4)], [*range(6)], [*range(5)], [*range(5), -5, -6, -7]]
    found = []
    for moment in moments:
        with dyn.open(moment) as recording:
            found.append(rows_of(snapshot_of(recording).file()))
    assert [rows for k, rows in enumerate(found) if k == 0 or rows != found[k - 1]] == known


@without_ring
@pytest.mark.parametrize("failing", ["_commit", "_close_live", "_go_live"])
def test_a_store_that_fails_keeps_what_was_committed(store, path, monkeypatch, failing):
    store.append(block(0, 3))
    monkeypatch.setattr(Store, failing, lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        store.append(block(3, 5, late=1))
    assert not store.is_open
    monkeypatch.undo()
    # It stays given up.
    with pytest.raises((ValueError, RuntimeError, KeyError)):
        store.append(block(3, 5))
    with dyn.open(path) as recording:
        assert rows_of(snapshot_of(recording).file()) == [0, 1, 2]


@pytest.mark.parametrize("failing", ["_close_live", "_go_live", "_commit"])
def test_a_store_that_is_interrupted_goes_on(store, path, monkeypatch, failing):
    store.append(block(0, 3))
    with monkeypatch.context() as patch:
        patch.setattr(Store, failing, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            store.append(block(3, 5, late=1))
    store.append(block(3, 5, late=1))
    store.close("complete")
    assert closed_rows(path) == [0, 1, 2, 3, 4]


def test_a_file_that_gave_up_ends_where_it_does_and_says_so(store, path):
    """As after a write that failed: HDF5 has already said how long the file would become."""
    store.append(block(0, 3))
    head = bytearray(path.read_bytes()[:44])
    head[28:36] = (path.stat().st_size + 1000).to_bytes(8, "little")
    with path.open("r+b") as file:
        file.write(bytes(head) + lookup3(bytes(head)).to_bytes(4, "little"))
    shutil.copyfile(path, path.with_name("copy.h5"))
    with pytest.raises(RecordingError, match="truncated"):
        open_file(path.with_name("copy.h5"))
    store.abandon()
    assert live_rows(path) == [0, 1, 2]
    with h5py.File(path) as file:
        assert rows_of(file) == [0, 1, 2]


def test_a_file_in_the_place_of_its_own_is_left_alone(store, path, tmp_path):
    store.append(block(0, 3))
    other = tmp_path / "other.h5"
    create_file(other, [PROBE], ["loss"], config="{}", token="def")
    foreign = other.read_bytes()
    other.replace(path)
    with pytest.raises(RecordingError, match="its file was deleted or replaced"):
        store.append(block(3, 4, late=1))
    assert path.read_bytes() == foreign


def test_giving_up_leaves_a_live_file_in_its_place_alone(store, path, tmp_path):
    other = tmp_path / "other.h5"
    create_file(other, [PROBE], ["loss"], config="{}", token="def")
    live = Store(other)
    live.append(block(0, 2))
    flagged = other.read_bytes()
    other.replace(path)
    store.abandon()
    assert path.read_bytes() == flagged
    live.abandon()


def test_the_training_may_change_its_folder(path, monkeypatch):
    monkeypatch.chdir(path.parent)
    create_file(Path("relative.h5"), [PROBE], ["loss"], config="{}", token="abc")
    store = Store(Path("relative.h5"))
    monkeypatch.chdir(os.sep)
    store.append(block(0, 2, late=1))
    store.close("complete")
    assert closed_rows(path.parent / "relative.h5") == [0, 1]


def test_a_long_recording_is_no_larger_than_its_rows(store, path):
    for row in range(0, 6000, 4):
        store.append(block(row, row + 4))
    store.close("complete")
    # step, time, loss and two numbers a row; besides them the file's own structure, and a chunk begun of each array.
    assert 6000 * 5 * 8 <= path.stat().st_size <= 1.5 * 6000 * 5 * 8


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
# A process with threads should not fork; what these children do needs none.
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_neither_writes_nor_keeps_the_file_and_may_read_it(store, path):
    store.append(block(0, 5))
    (reader, writer), (answers, answer) = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        try:
            os.read(reader, 1)
            with suppress(RuntimeError):
                store.append(block(5, 9))
            with h5py.File(path, "r", swmr=True, locking=False) as file:
                os.write(answer, bytes([len(rows_of(file))]))
            # As the end of a process closes what is open.
            h5py.h5.close()
        finally:
            os._exit(0)
    store.append(block(5, 40))
    before = path.read_bytes()
    os.write(writer, b"x")
    found = os.read(answers, 1)
    os.waitpid(child, 0)
    assert path.read_bytes() == before
    assert found == bytes([40])
    store.append(block(40, 50))
    assert live_rows(path) == list(range(50))
    for descriptor in (reader, writer, answers, answer):
        os.close(descriptor)


def test_no_program_that_takes_the_place_of_the_training_has_the_file_open(store, path):
    def open_ones() -> list[int]:
        return [int(each.name) for each in Path("/proc/self/fd").iterdir() if each.resolve() == path]

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("no /proc on this system")
    store.append(block(0, 5))
    assert open_ones()
    assert not any(map(os.get_inheritable, open_ones()))
