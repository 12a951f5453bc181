"""What is told of a sweep is what its models do, over any settings, and the same of its recording."""

import json

import h5py
import numpy as np
import pytest

from dyn.dynamics.errors import RecordingError, SettingError
from dyn.dynamics.experiments.experiment import Experiment
from dyn.recorders.experiment import record_experiment
from dyn.recorders.reading.recording import open_recording
from dyn.recorders.sweeps.as_recording import recording_of
from dyn.recorders.sweeps.axes import Axis
from dyn.recorders.sweeps.each_model import models_of
from dyn.recorders.sweeps.plan import make_plan
from dyn.recorders.sweeps.run import run_sweep
from dyn.recorders.sweeps.statistics import statistics_of
from dyn.recorders.sweeps.sweep import Sweep

ROWS = 300
# Two features with a dimension each, and then four in antipodal pairs.
BEFORE = np.array([[1.0, 0, 0, 0], [0, 1, 0, 0]])
AFTER = np.array([[1.0, 0, -1, 0], [0, 1, 0, -1]])


def swept(tiny: Experiment, path, *axes: Axis, repeat: int = 2, recorded: bool = True):
    """Write a sweep of short runs, and return its path."""
    run_sweep(make_plan(tiny, axes, repeat=repeat, recorded=recorded), path, workers=1)
    return path


@pytest.fixture
def planted(tiny, tmp_path):
    """Return a sweep over two rates of three models; one after the other jumps at the rows 100, 150, … of 300."""
    steps = tiny.with_settings(steps=ROWS - 1, batch_size=1, evaluation_size=1, every=1)
    path = swept(steps, tmp_path / "sweep.h5", Axis("lr", (0.1, 0.2)), repeat=3)
    after = np.arange(ROWS) >= np.array([[100], [150], [200], [250], [ROWS], [ROWS]])
    with h5py.File(path, "r+") as file:
        file["W"][...] = np.where(after[..., None, None], AFTER, BEFORE).reshape(2, 3, ROWS, 2, 4)
        file["expected_loss"][...] = np.where(after, 0.25, 1.0).reshape(2, 3, ROWS)
    return path


def test_each_point_has_its_own_models(planted):
    with Sweep(planted) as sweep:
        found = statistics_of(sweep)
    first, second = found.points
    assert (first.settings, second.settings) == ({"lr": 0.1}, {"lr": 0.2})
    assert first.dynamics.jump_time().happened == 3
    assert second.dynamics.jump_time().happened == 1
    # A jump lies between two rows.
    np.testing.assert_allclose(np.concatenate(first.dynamics.jump_times), [99.5, 149.5, 199.5], atol=1)
    assert first.dynamics.loss_drop.value == pytest.approx(0.75, abs=0.01)
    assert first.dynamics.polytopes["digon"].features.value == 1
    # One of three models.
    assert second.dynamics.polytopes["digon"].models.value == pytest.approx(1 / 3)
    assert second.dynamics.occupancy.at_end()["1/2"].value == pytest.approx(1 / 3)


def test_the_recording_of_a_sweep_tells_the_same(planted):
    with Sweep(planted) as sweep, recording_of(planted) as recording:
        ours, theirs = statistics_of(sweep), statistics_of(recording)
    assert ours.points[1].as_dict() == theirs.points[1].as_dict()
    assert str(ours) == str(theirs)


def test_the_words(planted):
    with Sweep(planted) as sweep:
        text = str(statistics_of(sweep))
    assert "lr=0.1: 3 models" in text
    assert "jump 1      in 3 of 3, half of all 3 by step 150 (0 to the end or later)" in text
    assert "jump 1      in 1 of 3, fewer than half of all by the end, step 299" in text


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_a_model_that_is_not_finite_in_some_features_has_failed(number, tiny, tmp_path):
    path = swept(tiny, tmp_path / "sweep.h5", Axis("lr", (0.1, 0.2)), repeat=3, recorded=False)
    with h5py.File(path, "r+") as file:
        file["W"][1, 2, :, 0] = number
    with Sweep(path) as sweep:
        found = statistics_of(sweep)
    assert [(point.dynamics.models, point.dynamics.failed) for point in found.points] == [(3, 0), (2, 1)]


def test_a_model_that_diverges_is_counted_as_one(planted):
    with h5py.File(planted, "r+") as file:
        file["W"][0, 1, 200:, 0] = np.nan
    with Sweep(planted) as sweep:
        found = statistics_of(sweep)
    assert "lr=0.1: 3 models, of which 1 diverged\n" in str(found)
    assert "lr=0.2: 3 models\n" in str(found)
    assert [point["diverged"] for point in found.as_dict()["points"]] == [1, 0]


def test_one_model_has_no_half(tiny, tmp_path):
    steps = tiny.with_settings(steps=ROWS - 1, batch_size=1, evaluation_size=1, every=1)
    path = swept(steps, tmp_path / "one.h5", Axis("lr", (0.1,)), repeat=1)
    with h5py.File(path, "r+") as file:
        file["W"][...] = np.where(np.arange(ROWS)[:, None, None] >= 100, AFTER, BEFORE)
    with Sweep(path) as sweep:
        assert "jump 1      in 1 of 1, at step 100\n" in str(statistics_of(sweep))


def test_a_document_has_no_infinity(planted):
    with Sweep(planted) as sweep:
        told = json.loads(json.dumps(statistics_of(sweep).as_dict(), allow_nan=False))
    assert told["loss"] == "expected_loss"
    first, second = told["points"]
    assert second["jumps"]["order"][0]["median"]["value"] is None
    assert first["jumps"]["order"][0]["jumped"] == 3
    assert first["levels"]["1/2"]["value"] == 1


def test_some_points_are_enough(planted):
    with Sweep(planted) as sweep:
        assert [point.settings for point in statistics_of(sweep, points=1).points] == [{"lr": 0.1}]


@pytest.mark.parametrize("most", [1, 500, 2**25])
def test_models_come_in_the_order_of_the_grid_however_few_are_read_at_a_time(most, tiny, tmp_path, monkeypatch):
    path = swept(tiny, tmp_path / "a.h5", Axis("lr", (0.1, 0.2)), Axis("density", (0.5, 0.2, 0.1)), repeat=2)
    monkeypatch.setattr("dyn.recorders.sweeps.each_model._BYTES", most)
    with Sweep(path) as sweep:
        found = models_of(sweep)
        last = np.stack([model.W for model in found.models])
        np.testing.assert_array_equal(last, sweep["W"][..., -1, :, :].reshape(12, 2, 4))
        assert found.points[:2] == [{"lr": 0.1, "density": 0.5}, {"lr": 0.1, "density": 0.2}]
        assert (len(found.points), found.repeat) == (6, 2)


def test_models_of_different_sizes_are_without_their_padding(tiny, tmp_path):
    with Sweep(swept(tiny, tmp_path / "a.h5", Axis("n_features", (3, 5)), repeat=1)) as sweep:
        assert sweep["W"].shape[-1] == 5
        assert [model.W.shape for model in models_of(sweep).models] == [(2, 3), (2, 5)]
        assert [point.dynamics.models for point in statistics_of(sweep).points] == [1, 1]


def test_points_that_failed_are_told(tiny, tmp_path):
    with Sweep(swept(tiny, tmp_path / "a.h5", Axis("sets", (2, 3)))) as sweep:
        fine, failed = statistics_of(sweep).points
    assert (fine.dynamics.models, fine.dynamics.failed) == (2, 0)
    assert (failed.dynamics.models, failed.dynamics.failed) == (0, 2)
    assert str(failed) == "sets=3: 0 models, and 2 that failed"
    assert failed.as_dict()["jumps"] is None


def test_without_trajectories_there_are_ends(tiny, tmp_path):
    with Sweep(swept(tiny, tmp_path / "a.h5", Axis("density", (0.5, 0.2)), recorded=False)) as sweep:
        point = statistics_of(sweep).points[0]
    assert point.as_dict()["jumps"] is None
    assert point.jump_lines == []
    assert sum(each.features.value for each in point.dynamics.polytopes.values()) == pytest.approx(1)


def test_points_of_a_recorded_ensemble(tiny, tmp_path):
    record_experiment(tiny.with_settings(density=(0.5, 0.2), repeat=3), tmp_path / "a.h5")
    with open_recording(tmp_path / "a.h5") as recording:
        points = statistics_of(recording).points
    assert [point.settings for point in points] == [{"density": 0.5}, {"density": 0.2}]
    assert [point.dynamics.models for point in points] == [3, 3]


def test_one_model_is_no_ensemble(recorded):
    with open_recording(recorded) as recording, pytest.raises(RecordingError, match="one model; record several"):
        statistics_of(recording)


def test_a_parameter_without_features_is_named(planted):
    with Sweep(planted) as sweep, pytest.raises(SettingError, match="'b'"):
        statistics_of(sweep, "b")


def test_models_that_never_jump_have_no_sizes_or_times_of_jumps(tiny, tmp_path):
    steps = tiny.with_settings(steps=ROWS - 1, batch_size=1, evaluation_size=1, every=1)
    path = swept(steps, tmp_path / "none.h5", Axis("lr", (0.1,)), repeat=2)
    with h5py.File(path, "r+") as file:
        file["W"][...] = BEFORE
    with Sweep(path) as sweep:
        assert statistics_of(sweep).points[0].jump_lines == ["  jumps       none in any of 2 models"]
