"""Recording an experiment of the catalogue, and its price."""

import h5py
import numpy as np
import pytest

import dyn
from dyn.dynamics.errors import OutputExistsError
from dyn.dynamics.evaluation import PopulationLoss
from dyn.dynamics.experiments import EXPERIMENTS
from dyn.dynamics.training import Training
from dyn.recorders.experiment import price, record_experiment


def row_bytes_in_file(path) -> int:
    """What one row really takes: the bytes of every array that has rows."""
    total = 0

    def add(_, node):
        nonlocal total
        if isinstance(node, h5py.Dataset) and node.maxshape[0] is None:
            total += node.dtype.itemsize * int(np.prod(node.shape[1:]))

    with h5py.File(path) as file:
        file.visititems(add)
    return total


@pytest.mark.parametrize("changes", [{}, {"n_instances": 3}, {"density": (1.0, 0.1)}], ids=str)
@pytest.mark.parametrize("every", [1, 5])
def test_a_recorded_experiment(tiny, path, changes, every):
    experiment = tiny.with_settings(**changes)
    assert record_experiment(experiment, path, every=every) == path
    losses = np.array([loss.numpy().mean() for loss in Training(experiment)])
    with dyn.open(path) as recording:
        steps = [*range(0, 12, every), 12]
        np.testing.assert_array_equal(recording.step, steps)
        np.testing.assert_array_equal(recording.scalars["loss"][:-1], losses[steps[:-1]])
        population = PopulationLoss(experiment)({name: series[:] for name, series in recording.parameters.items()})
        members = population.reshape(len(steps), -1)
        # Ten rows at a time or all at once, in single precision.
        np.testing.assert_allclose(recording.scalars["expected_loss"], members.mean(1), rtol=1e-5)
        if experiment.n_instances:
            assert recording.features["W"]["dimensionality"].shape == (len(steps), experiment.n_instances, 4)
            assert set(recording.probes) == {"loss_of_instance", "expected_loss_of_instance"}
            np.testing.assert_allclose(recording.probes["expected_loss_of_instance"], members, rtol=1e-5)
            own = np.array([loss.numpy() for loss in Training(experiment)])[steps[:-1]]
            np.testing.assert_array_equal(recording.probes["loss_of_instance"][:-1], own)
            assert np.isnan(recording.probes["loss_of_instance"][-1]).all()
        else:
            assert len(recording.probes) == 0
        assert set(recording.features) == {"W"}
        assert "64 active samples" in recording.scalars["expected_loss"].attrs["estimate"]


def test_the_config_is_the_experiment(tiny, path):
    record_experiment(tiny.with_settings(density=(1.0, 0.1)), path)
    config = dyn.open(path).config["experiment"]
    assert (config["name"], config["density"], config["n_instances"], config["steps"]) == ("tiny", [1.0, 0.1], 2, 12)


def test_recording_does_not_change_the_training(tiny, path):
    training = Training(tiny)
    list(training)
    record_experiment(tiny, path)
    np.testing.assert_array_equal(dyn.open(path).parameters["W"][-1], training.model.W.detach().numpy())


def test_progress_sees_every_step(tiny, path):
    seen = []

    def progress(steps):
        for loss in steps:
            seen.append(float(loss))
            yield loss

    record_experiment(tiny, path, progress=progress)
    assert seen == dyn.open(path).scalars["loss"][:-1].tolist()


def test_an_existing_file_is_kept_unless_told_otherwise(tiny, path):
    path.write_text("precious")
    with pytest.raises(OutputExistsError):
        record_experiment(tiny, path)
    assert path.read_text() == "precious"
    record_experiment(tiny, path, overwrite=True)
    assert len(dyn.open(path)) == 13


@pytest.mark.parametrize("n_instances", [None, 2])
def test_an_interrupted_run_keeps_its_rows(tiny, path, n_instances):
    def stop_after_five(steps):
        for k, loss in enumerate(steps):
            if k == 5:
                raise KeyboardInterrupt
            yield loss

    with pytest.raises(KeyboardInterrupt):
        record_experiment(tiny.with_settings(n_instances=n_instances), path, progress=stop_after_five)
    with dyn.open(path) as recording:
        assert (recording.status, len(recording)) == ("aborted", 6)
        assert np.isfinite(recording.scalars["expected_loss"]).all()
        # Nothing was logged for the last row, so nothing is said of it.
        for loss in (recording.scalars["loss"], recording.probes.get("loss_of_instance", np.full(6, np.nan))):
            assert np.isnan(loss[5]).all()


@pytest.mark.parametrize(("every", "select"), [(1, None), (5, None), (12, None), (100, None), (1, "W"), (1, "*")])
@pytest.mark.parametrize("n_instances", [None, 3])
def test_the_price_is_what_is_paid(tiny, path, select, every, n_instances):
    experiment = tiny.with_settings(n_instances=n_instances)
    told = price(experiment, path, every=every, select=select)
    assert not path.exists()
    record_experiment(experiment, path, every=every, select=select)
    assert told.bytes_per_row == row_bytes_in_file(path)
    assert told.rows == len(dyn.open(path))
    assert told.total_bytes == told.rows * told.bytes_per_row
    assert told.free_bytes > 0
    assert told.fits


def test_what_does_not_fit_is_said_beforehand(path):
    told = price(EXPERIMENTS["intro"].with_settings(steps=10**15), path)
    assert not told.fits
    assert "NOT FIT" in str(told)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_entry_of_the_catalogue_can_be_recorded(path, name):
    experiment = EXPERIMENTS[name].with_settings(steps=2, evaluation_size=32, batch_size=8)
    record_experiment(experiment, path)
    with dyn.open(path) as recording:
        assert (len(recording), recording.status) == (3, "complete")
        assert np.isfinite(recording.scalars["expected_loss"]).all()
