"""Opening recordings: finished, under way, and what is none."""

import os
import subprocess
import sys

import h5py
import numpy as np
import pytest

import dyn
from dyn.dynamics.errors import RecordingError
from dyn.recorders.writing.repair import repair


def test_what_was_recorded(recorded):
    with dyn.open(recorded) as recording:
        assert (recording.path, len(recording), recording.status) == (recorded, 11, "complete")
        assert recording.config == {"lr": 0.1}
        assert "learning-dynamics" in recording.software
        assert set(recording.parameters) == {"weight", "bias"}
        assert set(recording.scalars) == {"loss", "lr"}
        assert {name: set(group) for name, group in recording.features.items()} == {
            "weight": {"dimensionality", "norm", "interference"}
        }
        assert len(recording.probes) == 0
        assert recording.features["weight"]["norm"].shape == (11, 3)
        assert "11 rows, complete" in repr(recording)


@pytest.mark.parametrize("kind", [str, os.fspath, lambda p: p])
def test_a_path_is_text_or_a_path(recorded, kind):
    assert len(dyn.open(kind(recorded))) == 11


def test_a_closed_recording_says_so_and_its_slices_stay(recorded):
    recording = dyn.open(recorded)
    weight = recording.parameters["weight"]
    rows = weight[:2]
    recording.close()
    recording.close()
    assert rows.shape == (2, 4, 3)
    assert "closed" in repr(recording)
    for use in (lambda: weight[0], lambda: recording.scalars, lambda: recording.status, recording.refresh):
        with pytest.raises(RecordingError, match="was closed; open it again"):
            use()


def test_readers_of_a_finished_recording_do_not_disturb_each_other(recorded):
    with dyn.open(recorded) as first, dyn.open(recorded) as second:
        second.close()
        assert first.step[-1] == 10


@pytest.mark.usefixtures("small_ring")
def test_a_snapshot_stays_while_the_recording_grows(regression, path):
    with dyn.attach(regression.model, regression.optimizer, path) as recorder:
        regression.train(9, recorder)
        with dyn.open(path) as recording:
            assert (recording.status, len(recording)) == ("recording", 9)
            loss = recording.scalars["loss"]
            regression.train(10, recorder)
            assert (len(recording), loss.shape, recording.parameters["weight"].shape) == (9, (9,), (9, 4, 3))
            assert loss[-1] == regression.losses[8]
            np.testing.assert_array_equal(loss, regression.losses[:9])
            assert len(recording.refresh()) == 19
            np.testing.assert_array_equal(recording.scalars["loss"], regression.losses)
            recorder.close()
            assert (len(recording.refresh()), recording.status) == (20, "complete")
            assert len(recording.refresh()) == 20


@pytest.mark.usefixtures("small_ring")
def test_a_late_scalar_while_a_reader_is_open(regression, path):
    with dyn.attach(regression.model, regression.optimizer, path) as recorder:
        regression.train(5, recorder)
        with dyn.open(path) as recording:
            weight = recording.parameters["weight"]
            before = weight[:]
            recorder.log(late=1)
            regression.train(5, recorder)
            np.testing.assert_array_equal(weight[:], before)
            assert "late" in recording.refresh().scalars
            np.testing.assert_array_equal(recording.scalars["late"], [np.nan] * 5 + [1] + [np.nan] * 4)
    assert dyn.open(path).status == "complete"


@pytest.mark.usefixtures("small_ring")
def test_closing_a_reader_leaves_the_writer_alone(regression, path):
    with dyn.attach(regression.model, regression.optimizer, path) as recorder:
        for _ in range(5):
            regression.train(3, recorder)
            dyn.open(path).close()
    with dyn.open(path) as recording:
        np.testing.assert_array_equal(recording.scalars["loss"][:-1], regression.losses)


def test_another_process_reads_a_recording_from_its_first_moment(regression, path, elsewhere):
    with dyn.attach(regression.model, regression.optimizer, path):
        assert elsewhere("[r.status, len(r)]", path) == ["recording", 0]


@pytest.mark.usefixtures("small_ring")
def test_another_process_reads_a_recording_under_way(regression, path, elsewhere):
    with dyn.attach(regression.model, regression.optimizer, path) as recorder:
        regression.train(9, recorder)
        status, loss, shape = elsewhere("[r.status, r.scalars['loss'][:].tolist(), r.parameters['weight'].shape]", path)
        assert (status, loss, shape) == ("recording", regression.losses, [9, 4, 3])
        regression.train(4, recorder)
    assert elsewhere("[r.status, len(r)]", path) == ["complete", 14]


def write(path, **attributes):
    with h5py.File(path, "w") as file:
        file.attrs.update(attributes)


NO_RECORDINGS = {
    "missing": (lambda _: None, "does not exist"),
    "text": (lambda path: path.write_text("loss,step\n1,2\n"), "not an HDF5 file"),
    "directory": (lambda path: path.mkdir(), "is a directory"),
    "empty": (lambda path: path.touch(), "is empty"),
    "foreign": (lambda path: write(path, title="weather"), "no recording"),
    "newer": (lambda path: write(path, format="learning-dynamics", format_version=2), "version 2.*up to 1.*upgrade"),
    "no version": (lambda path: write(path, format="learning-dynamics"), "version"),
    "nothing in it": (lambda path: write(path, format="learning-dynamics", format_version=1), "damaged"),
}


@pytest.mark.parametrize("kind", NO_RECORDINGS)
def test_what_is_no_recording_is_refused_in_one_line(path, kind):
    make, message = NO_RECORDINGS[kind]
    make(path)
    with pytest.raises(RecordingError, match=message) as caught:
        dyn.open(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


OPEN_EACH = """
import sys, dyn
from dyn.dynamics.errors import RecordingError
for path in sys.argv[1:]:
    try:
        dyn.open(path)
    except RecordingError as error:
        print(error)
"""


def test_truncated_recordings_are_refused_in_one_line(recorded, tmp_path):
    data = recorded.read_bytes()
    paths = [tmp_path / f"{size}.h5" for size in (8, 11, 40, 47, 48, 100, 1000, len(data) // 2, len(data) - 1)]
    for path in paths:
        path.write_bytes(data[: int(path.stem)])
    # In a process of its own: HDF5 can read the metadata of such a file again and again for ever.
    command = [sys.executable, "-c", OPEN_EACH, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert [str(path) in line and "truncated" in line for path, line in zip(paths, lines, strict=True)] == [True] * 9


def test_an_array_that_is_gone_is_named(recorded):
    with h5py.File(recorded, "r+") as file:
        del file["step"]
    with pytest.raises(RecordingError, match=r"run.h5 is damaged: it has no step"):
        dyn.open(recorded)


def test_to_xarray(recorded):
    with dyn.open(recorded) as recording, recording.to_xarray() as tree:
        np.testing.assert_array_equal(tree["parameters/weight"], recording.parameters["weight"])
        assert tree["features/weight/dimensionality"].dims == ("step", "weight.feature")


def test_a_recording_under_way_is_not_handed_to_xarray(regression, path):
    recorder = dyn.attach(regression.model, regression.optimizer, path)
    with dyn.open(path) as recording, pytest.raises(RecordingError, match="close the recorder first"):
        recording.to_xarray()
    recorder.close()


@pytest.mark.slow
def test_what_a_killed_training_left_is_handed_to_xarray_once_it_is_repaired(killed):
    path, _ = killed("inline")
    with dyn.open(path) as recording, pytest.raises(RecordingError, match=r"`dyn repair .*inline.h5` first"):
        recording.to_xarray()
    repair(path)
    with dyn.open(path) as recording, recording.to_xarray() as tree:
        assert tree["step"].size == len(recording)
