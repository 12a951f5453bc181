"""Files are opened as they are found: finished, live, in the middle of a change, or left by a crash."""

import shutil

import h5py
import numpy as np
import pytest

import dyn
from dyn.dynamics.errors import RecordingError
from dyn.recorders.reading import opening
from dyn.recorders.reading.opening import open_file
from dyn.recorders.reading.recording import snapshot_of
from dyn.recorders.ring.paths import ring_path


def test_a_finished_file_is_opened_as_any_reader_would(recorded):
    with open_file(recorded) as file:
        assert (file.mode, file.swmr_mode, len(file["step"])) == ("r", False, 11)


@pytest.mark.parametrize("writer", ["inline", "process"])
@pytest.mark.usefixtures("small_ring")
def test_a_live_file_does_not_lock_its_writer_out(regression, path, writer):
    with dyn.attach(regression.model, regression.optimizer, path, writer=writer) as recorder:
        for k in range(4):
            with open_file(path) as file:
                assert file.attrs["status"] == "recording"
                recorder.log(**{f"late_{k}": k})
                regression.train(5, recorder)
    with dyn.open(path) as recording:
        np.testing.assert_array_equal(recording.scalars["loss"][:-1], regression.losses)
        assert [int(np.nansum(recording.scalars[f"late_{k}"])) for k in range(4)] == [0, 1, 2, 3]


@pytest.mark.usefixtures("small_ring")
def test_a_file_is_read_at_any_moment_of_its_writing(regression, path, snapshots):
    with snapshots(path) as moments, dyn.attach(regression.model, regression.optimizer, path) as recorder:
        for k in range(7):
            regression.step(recorder, **({"late": k} if k > 2 else {}))
    assert len(moments) > 40
    lengths = []
    for moment in moments:
        if not moment.exists():
            # The file itself is put in its place whole.
            assert not lengths
            continue
        with open_file(moment) as file:
            rows = int(file["committed"][0])
            lengths.append(rows)
            np.testing.assert_array_equal(file["step"][:rows], range(rows))
            np.testing.assert_array_equal(file["scalars/loss"][: min(rows, 7)], regression.losses[:rows])
            late = file["scalars/late"][:rows] if "late" in file["scalars"] else np.full(rows, np.nan)
            expected = [np.nan] * 3 + [3, 4, 5, 6, np.nan]
            np.testing.assert_array_equal(late, expected[:rows] if "late" in file["scalars"] else [np.nan] * rows)
    assert lengths == sorted(lengths)
    assert lengths[-1] == 8


@pytest.mark.slow
def test_a_file_that_a_crash_left_is_read_and_not_touched(killed):
    path, truth = killed("inline")
    before = path.read_bytes()
    with open_file(path) as file:
        rows = int(file["committed"][0])
        assert len(truth) - 9 <= rows
        np.testing.assert_array_equal(file["scalars/loss"][:rows], truth[:rows, 1])
    with pytest.raises(OSError, match="flag"):
        h5py.File(path)
    assert path.read_bytes() == before


@pytest.mark.slow
def test_a_crashed_file_without_its_ring_is_read(killed, tmp_path):
    path, truth = killed("both")
    ring_path(path).unlink()
    with pytest.warns(UserWarning, match=r"both.h5: it was not closed, and both.h5.ring.*is not beside it"):
        recording = dyn.open(path)
    with recording:
        assert (recording.status, len(recording)) == ("aborted", snapshot_of(recording).filed)
        np.testing.assert_array_equal(recording.scalars["loss"], truth[: len(recording), 1])
    shutil.copyfile(path, tmp_path / "copy.h5")
    with pytest.warns(UserWarning, match=r"copy.h5: it was not closed, and both.h5.ring.*put copy.h5.ring there"):
        assert snapshot_of(dyn.open(tmp_path / "copy.h5")).filed > 0


def fails(times: int, message: str):
    """A stand-in for opening a file, which fails so often."""
    attempts = iter(range(times))

    def attempt(path):
        for _ in attempts:
            raise OSError(message)
        return h5py.File(path)

    return attempt


def test_a_file_that_is_closed_for_a_change_is_waited_for(recorded, monkeypatch):
    monkeypatch.setattr(opening, "_open_as_found", fails(3, "no room"))
    with open_file(recorded) as file:
        assert len(file["step"]) == 11


@pytest.mark.parametrize(("message", "shown"), [("no room", "no room"), ("truncated file: eof = 1", "it is truncated")])
def test_a_file_that_does_not_open_is_told_of_in_one_line(recorded, monkeypatch, message, shown):
    monkeypatch.setattr(opening, "_open_as_found", fails(10**9, message))
    monkeypatch.setattr(opening, "_PATIENCE", 0.05)
    with pytest.raises(RecordingError, match=rf"run.h5 cannot be read: {shown}$"):
        open_file(recorded)


@pytest.mark.slow
@pytest.mark.parametrize("left", [1, 47, 1000, 10_000])
def test_a_crashed_file_that_was_cut_off_is_refused(killed, left):
    path, _ = killed("inline")
    ring_path(path).unlink()
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(RecordingError, match=r"inline.h5.*(truncated|not an HDF5 file)"):
        dyn.open(path)
