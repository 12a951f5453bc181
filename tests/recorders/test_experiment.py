"""Recording an experiment of the catalogue, and its price."""

import h5py
import numpy as np
import pytest

import dyn
from dyn.dynamics.errors import OutputExistsError
from dyn.dynamics.experiments import EXPERIMENTS
from dyn.dynamics.training.evaluation import PopulationLoss, evaluation_of
from dyn.dynamics.training.loop import Training
from dyn.recorders.experiment import price, record_experiment
from dyn.recorders.resuming.branch import branch_of


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


@pytest.mark.parametrize("every", [1, 3, 5, "log:2", [(0, 3, 1), (5, None, 3)]])
@pytest.mark.parametrize("begin", [3, 6])
def test_the_price_of_a_branch_is_that_of_its_own_rows(tiny, path, begin, every):
    record_experiment(tiny, path.with_name("origin.h5"), checkpoint_every=3)
    with dyn.open(path.with_name("origin.h5")) as run:
        branch = branch_of(run, begin)
        told = price(tiny, path, every=every, checkpoint_every=3, branch=branch)
        each = told.checkpoints_bytes / price(tiny, path, every=every, checkpoint_every=3).checkpoints_bytes
        record_experiment(tiny, path, every=every, checkpoint_every=3, branch=branch)
    with dyn.open(path) as recording:
        assert told.rows == len(recording)
        # The whole run has five, at 0, 3, 6, 9 and 12.
        assert each == len(recording.checkpoints) / 5


def test_what_does_not_fit_is_said_beforehand(path):
    told = price(EXPERIMENTS["intro"].with_settings(steps=10**15), path)
    assert not told.fits
    assert "NOT FIT" in str(told)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_entry_of_the_catalogue_can_be_recorded(path, name):
    experiment = EXPERIMENTS[name].with_settings(steps=2, evaluation_size=32, batch_size=8)
    record_experiment(experiment, path, every=1)
    with dyn.open(path) as recording:
        assert (len(recording), recording.status) == (3, "complete")
        measures = evaluation_of(experiment).measures
        # Those of each head of a network are probes.
        assert set(measures) <= {*recording.scalars, *recording.probes}
        assert all(np.isfinite(recording.scalars[name]).all() for name in measures if name in recording.scalars)


def test_an_experiment_says_how_often_it_is_recorded(tiny, path):
    experiment = tiny.with_settings(every=5)
    record_experiment(experiment, path)
    assert dyn.open(path).step[:].tolist() == [0, 5, 10, 12]
    assert price(experiment, path).rows == 4
    record_experiment(experiment, path, every=6, overwrite=True)
    assert dyn.open(path).step[:].tolist() == [0, 6, 12]


def test_a_grid_of_instances(tiny, path):
    grid = {"density": (0.1, 1.0), "importance_extra": (0.5, 2.0), "repeat": 3}
    experiment = tiny.with_settings(**grid, init_std=0.0, importance=1.0, evaluation_size=1000)
    record_experiment(experiment, path)
    with dyn.open(path) as recording:
        assert recording.parameters["W"].shape == (13, 12, 2, 4)
        loss = recording.probes["expected_loss_of_instance"][0].reshape(2, 2, 3)
    # y = 0 costs Σ I_i p/3; a thousand evenly spread samples are exact to some per cent.
    expected = np.array([[0.1], [1.0]]) * (3 + np.array([0.5, 2.0])) / 3
    np.testing.assert_allclose(loss, np.repeat(expected[..., None], 3, axis=-1), rtol=0.05)


@pytest.mark.parametrize("n_instances", [None, 2])
def test_features_of_the_absolute_value_model_are_columns_and_rows(tiny, path, n_instances):
    experiment = tiny.with_settings(model="absolute-value", n_instances=n_instances)
    record_experiment(experiment, path)
    lead = (n_instances,) if n_instances else ()
    with dyn.open(path) as recording:
        assert set(recording.parameters) == {"W1", "W2", "b"}
        for name in ("W1", "W2"):
            assert recording.features[name]["norm"].shape == (13, *lead, 4)
        rows = {name: series[:] for name, series in recording.parameters.items()}
        np.testing.assert_allclose(recording.features["W2"]["norm"][:], np.linalg.norm(rows["W2"], axis=-1), rtol=1e-5)
        members = PopulationLoss(experiment)(rows).reshape(13, -1)
        np.testing.assert_allclose(recording.scalars["expected_loss"], members.mean(1), rtol=1e-5)


@pytest.mark.parametrize("n_instances", [None, 2])
def test_modular_addition_is_tested_at_every_row(tiny, path, n_instances):
    experiment = tiny.with_settings(model="modular-addition", batch_size=6, n_instances=n_instances)
    told = price(experiment, path)
    record_experiment(experiment, path)
    assert told.bytes_per_row == row_bytes_in_file(path)
    with dyn.open(path) as recording:
        assert set(recording.features) == {"E", "U", "V"}
        whole, test = (recording.scalars[name][:-1] for name in ("expected_loss", "test_loss"))
        # All pairs are those that are trained on, in one batch, and the others.
        np.testing.assert_allclose(10 * whole, 6 * recording.scalars["loss"][:-1] + 4 * test, rtol=1e-4)
        assert ((recording.scalars["test_accuracy"][:] >= 0) & (recording.scalars["test_accuracy"][:] <= 1)).all()
        names = {"loss", "expected_loss", "train_accuracy", "test_loss", "test_accuracy", "weight_norm"}
        assert set(recording.probes) == ({f"{name}_of_instance" for name in names} if n_instances else set())


def test_the_price_knows_of_what_is_measured_afterwards(path):
    experiment = EXPERIMENTS["grokking"].with_settings(n_features=7, n_hidden=8, batch_size=14, steps=5)
    told = price(experiment, path)
    assert told.bytes_per_row == row_bytes_in_file(record_experiment(experiment, path))


def test_a_part_of_the_parameters_is_recorded_without_what_needs_them_all(tiny, path):
    record_experiment(tiny.with_settings(model="absolute-value"), path, select="W1")
    with dyn.open(path) as recording:
        assert set(recording.features) == {"W1"}
        assert "expected_loss" not in recording.scalars
