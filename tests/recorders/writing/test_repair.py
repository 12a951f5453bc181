"""What a crash leaves is read as it is, and made a clean file."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

import dyn
from dyn.dynamics.errors import RecordingError
from dyn.recorders.file.superblock import HEAD_BYTES, cleared
from dyn.recorders.ring.paths import ring_path
from dyn.recorders.ring.ring import Ring, State
from dyn.recorders.writing.repair import Repaired, make_whole, repair
from dyn.recorders.writing.writer import InlineWriter

TRAININGS = ["inline", "inline_late", "orphan", "both", "both_late", "full_ring", "at_once"]


def files_of(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.parent.glob(f"{path.name}*")}


def assert_is_true(rows: np.ndarray, truth: np.ndarray) -> None:
    """Every step that returned has its row, to the last bit; the one that was under way may have it too."""
    assert len(truth) <= len(rows) <= len(truth) + 1
    np.testing.assert_array_equal(rows[: len(truth)], truth)
    np.testing.assert_array_equal(rows[:, 0], range(len(rows)))


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAININGS)
def test_what_a_kill_left_is_read_and_repaired_to_the_last_bit(killed, as_truth, name):
    path, truth = killed(name)
    before = files_of(path)
    with dyn.open(path) as recording:
        assert recording.status == "aborted"
        assert_is_true(as_truth(recording), truth)
        rows = as_truth(recording)
        late = {name: series[:] for name, series in recording.scalars.items() if name.startswith("late")}
    assert files_of(path) == before
    found = repair(path)
    assert found.rows == len(rows)
    assert found.status == ("aborted" if name == "orphan" else "repaired")
    assert list(files_of(path)) == [path.name]
    with h5py.File(path) as file:
        assert (file.attrs["status"], file["committed"][0]) == (found.status, len(rows))
        np.testing.assert_array_equal(as_truth(file), rows)
        for scalar, values in late.items():
            np.testing.assert_array_equal(file[f"scalars/{scalar}"], values)
    repaired = files_of(path)
    assert repair(path) == Repaired(len(rows), 0, found.status)
    assert files_of(path) == repaired


@pytest.mark.slow
@pytest.mark.parametrize("name", ["inline_late", "both_late"])
def test_what_came_late_stands_in_its_rows(killed, name):
    path, truth = killed(name)
    repair(path)
    with dyn.open(path) as recording:
        for k in range(len(truth) // 20):
            at = recording.step[:] // 20 == k
            np.testing.assert_array_equal(recording.scalars[f"late_{k}"], np.where(at, recording.step, np.nan))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["inline_late", "both", "at_once"])
def test_a_repair_that_is_killed_at_any_moment_is_begun_again(killed, as_truth, snapshots, name):
    path, truth = killed(name)
    with snapshots(path) as moments:
        repair(path)
    assert len(moments) > 10
    for moment in moments:
        with dyn.open(moment) as recording:
            assert_is_true(as_truth(recording), truth)
        assert repair(moment).status == "repaired"
        with h5py.File(moment) as file:
            assert_is_true(as_truth(file), truth)
        assert list(files_of(moment)) == [path.name]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["inline", "both_late"])
def test_a_repair_that_is_interrupted_at_any_moment_is_begun_again(killed, as_truth, around_each_call, name):
    calls, last, interrupted = 0, 0, 0

    def interrupt() -> None:
        nonlocal calls
        calls += 1
        if calls == last:
            raise KeyboardInterrupt

    while interrupted == last:
        path, truth = killed(name)
        calls, last = 0, last + 1
        try:
            with around_each_call(interrupt):
                repair(path)
        except KeyboardInterrupt:
            interrupted += 1
        with dyn.open(path) as recording:
            assert_is_true(as_truth(recording), truth)
        repair(path)
        with h5py.File(path) as file:
            assert_is_true(as_truth(file), truth)
    assert interrupted > 10


def test_the_rows_of_a_training_that_closed_but_whose_file_did_not_are_complete(
    regression, path, monkeypatch, tmp_path
):
    left = tmp_path / "left.h5"

    def copy_instead(writer):
        for suffix in ("", ".ring"):
            shutil.copyfile(f"{path}{suffix}", f"{left}{suffix}")
        close(writer)

    close = InlineWriter.close
    monkeypatch.setattr(InlineWriter, "close", copy_instead)
    with dyn.attach(regression.model, regression.optimizer, path) as recorder:
        regression.train(3, recorder)
    assert dyn.open(left).status == "aborted"
    # Three rows were written when room was made for the final one.
    assert repair(left) == Repaired(4, 1, "complete")
    with h5py.File(left) as file:
        assert (file.attrs["status"], file.attrs["final_row"]) == ("complete", 1)
        np.testing.assert_array_equal(file["scalars/loss"], [*regression.losses, np.nan])


@pytest.mark.slow
def test_the_ring_of_another_recording_is_neither_taken_nor_deleted(killed):
    path, truth = killed("both")
    other, _ = killed("full_ring")
    foreign = ring_path(other).read_bytes()
    ring_path(path).write_bytes(foreign)
    with pytest.warns(UserWarning, match="rows after step"):
        rows = len(dyn.open(path))
    assert rows < len(truth) + 1
    with pytest.warns(UserWarning, match="rows after step"):
        assert repair(path) == Repaired(rows, 0, "repaired")
    assert ring_path(path).read_bytes() == foreign
    assert repair(path).rows == rows


@pytest.mark.slow
def test_a_ring_beside_a_file_that_was_closed_in_order_stays_unless_it_is_its_own(recorded, killed):
    before = recorded.read_bytes()
    other, _ = killed("full_ring")
    ring_path(other).rename(ring_path(recorded))
    assert repair(recorded) == Repaired(11, 0, "complete")
    assert ring_path(recorded).exists()
    ring = Ring.open(ring_path(recorded), writable=True)
    assert ring is not None
    assert ring.state is State.RECORDING
    assert recorded.read_bytes() == before


@pytest.mark.slow
def test_what_is_no_ring_does_not_disturb(killed):
    path, _ = killed("inline")
    ring_path(path).write_bytes(b"text")
    with pytest.warns(UserWarning, match="its ring is not beside it"):
        assert repair(path).from_ring == 0
    assert ring_path(path).read_bytes() == b"text"


def test_a_recording_under_way_is_not_repaired(regression, path):
    with dyn.attach(regression.model, regression.optimizer, path) as recorder:
        regression.train(3, recorder)
        before = files_of(path)
        with pytest.raises(RecordingError, match=r"run.h5 is still being written; end the training first"):
            repair(path)
        assert files_of(path) == before
        regression.train(3, recorder)
    assert len(dyn.open(path)) == 7


NO_RECORDINGS = {
    "missing": (lambda _: None, "does not exist"),
    "text": (lambda path: path.write_text("loss,step\n1,2\n"), "not an HDF5 file"),
    "old": (lambda path: h5py.File(path, "w", libver="earliest").close(), "no recording"),
    "new": (lambda path: h5py.File(path, "w", libver=("v110", "v110")).close(), "no recording"),
}


@pytest.mark.parametrize("kind", NO_RECORDINGS)
def test_what_is_no_recording_is_refused_and_left_alone(path, kind):
    make, message = NO_RECORDINGS[kind]
    make(path)
    before = files_of(path)
    with pytest.raises(RecordingError, match=message) as caught:
        repair(path)
    assert str(path) in str(caught.value)
    assert files_of(path) == before


def damaged_by_a_child(path: Path, at: int) -> int:
    """Say in a file what the HDF5 of a child says on closing that was forked when it had so many bytes."""
    head = path.read_bytes()[:HEAD_BYTES]
    with path.open("r+b") as file:
        file.write(cleared(head, at, given_up=True))
    return path.stat().st_size


@pytest.mark.parametrize("name", ["inline", "inline_late", "both"])
def test_a_file_that_a_child_has_closed_is_repaired_and_no_byte_cut(killed, as_truth, name):
    """As happened to the trainings of 0.1.0."""
    path, truth = killed(name)
    with dyn.open(path) as recording:
        whole = as_truth(recording)
    size = damaged_by_a_child(path, path.stat().st_size // 2)
    with dyn.open(path) as recording:
        seen = as_truth(recording)
    assert_is_true(seen, truth)
    found = repair(path)
    assert found.rows >= len(seen)
    assert path.stat().st_size >= size
    with h5py.File(path) as file:
        np.testing.assert_array_equal(as_truth(file), whole)


def test_nothing_is_opened_for_writing_before_its_head_says_where_it_ends(killed, monkeypatch):
    path, _ = killed("inline")
    size, opened = damaged_by_a_child(path, path.stat().st_size // 2), []

    def looking(file, mode="r", *args, **options):
        if mode == "r+" and isinstance(file, Path):
            head = path.read_bytes()[:HEAD_BYTES]
            opened.append(head == cleared(head, path.stat().st_size))
        return open_h5(file, mode, *args, **options)

    open_h5 = h5py.File
    monkeypatch.setattr("dyn.recorders.file.store.h5py.File", looking)
    repair(path)
    assert opened
    assert all(opened)
    assert path.stat().st_size >= size


def test_two_do_not_repair_at_once(killed, monkeypatch):
    path, _ = killed("inline")

    def meanwhile(place: Path) -> None:
        with pytest.raises(RecordingError, match="still being written"):
            repair(path)
        make_whole(place)

    monkeypatch.setattr("dyn.recorders.writing.repair.make_whole", meanwhile)
    assert repair(path).status == "repaired"
