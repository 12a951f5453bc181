"""The result of a sweep: every model at its place, read by anyone."""

import weakref

import numpy as np
import pytest
import xarray

from dyn.dynamics.errors import RecordingError, SettingError
from dyn.dynamics.training.evaluation import PopulationLoss
from dyn.recorders.file.hdf5 import is_sweep
from dyn.recorders.sweeps.axes import Axis
from dyn.recorders.sweeps.plan import make_plan
from dyn.recorders.sweeps.result import write_result
from dyn.recorders.sweeps.run import run_sweep
from dyn.recorders.sweeps.sweep import Sweep
from dyn.recorders.sweeps.task_files import SealedFolder


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sweep.h5"


def planted(plan, tmp_path, monkeypatch):
    """Write a result in which each model's W is its density, importance and rate, and return its path."""

    def train(task):
        members = range(task.experiment.n_instances)
        density, extra = task.experiment.per_instance("density"), task.experiment.per_instance("importance_extra")
        return {"W": np.array([[[density[k], extra[k], task.experiment.lr, k % plan.repeat]] for k in members])}

    folder = SealedFolder(tmp_path / "tasks")
    monkeypatch.setattr("dyn.recorders.sweeps.tasks.SweepTask.train", train)
    tasks, failures = plan.cut()
    for task in tasks:
        folder.seal(task.name, task.train())
    write_result(tmp_path / "sweep.h5", plan, tasks, folder, failures)
    return tmp_path / "sweep.h5"


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
@pytest.mark.parametrize("room", [2, 12, 10_000])
def test_every_model_lies_at_its_point(order, room, tiny, tmp_path, monkeypatch):
    # In whatever order the axes come, and however the grid is cut.
    monkeypatch.setattr("dyn.recorders.sweeps.plan._NUMBERS", room * 16 * 4)
    axes = [Axis("density", (0.1, 0.2, 0.3)), Axis("importance_extra", (1.0, 2.0, 3.0, 4.0)), Axis("lr", (0.5, 0.6))]
    plan = make_plan(tiny, [axes[k] for k in order], repeat=2, way="samples")
    with xarray.open_dataset(planted(plan, tmp_path, monkeypatch), engine="h5netcdf") as found:
        W = found["W"].transpose("density", "importance_extra", "lr", "repeat", ...)
        assert W.shape == (3, 4, 2, 2, 1, 4)
        for k, name in enumerate(("density", "importance_extra", "lr", "repeat")):
            there, _ = xarray.broadcast(found[name], W[..., 0, 0])
            np.testing.assert_array_equal(W[..., 0, k], there.transpose(*W.dims[:4]))


def test_xarray_finds_the_settings_as_coordinates(tiny, path):
    plan = make_plan(tiny, [Axis("density", (0.5, 0.2)), Axis("optimizer", ("adam", "sgd"))], repeat=3)
    run_sweep(plan, path, workers=1)
    with xarray.open_dataset(path, engine="h5netcdf") as found:
        assert dict(found.sizes) == {"density": 2, "optimizer": 2, "repeat": 3, "hidden": 2, "feature": 4}
        assert found["W"].dims == ("density", "optimizer", "repeat", "hidden", "feature")
        assert found["b"].dims == ("density", "optimizer", "repeat", "feature")
        assert found["density"].values.tolist() == [0.5, 0.2]
        assert found["optimizer"].values.tolist() == ["adam", "sgd"]
        member = found.sel(density=0.2, optimizer="sgd")
        loss = PopulationLoss(tiny.with_settings(density=0.2))
        rows = {"W": member["W"].values, "b": member["b"].values}
        # Each model on samples of its own: a standard error of a few per cent at 64 samples.
        np.testing.assert_allclose(member["expected_loss"], loss(rows), rtol=0.3)


def test_trajectories_have_an_axis_of_steps(tiny, path):
    plan = make_plan(tiny.with_settings(every=5), [Axis("density", (0.5, 0.2))], repeat=3, recorded=True)
    run_sweep(plan, path, workers=1)
    with xarray.open_dataset(path, engine="h5netcdf") as found:
        assert found["W"].dims == ("density", "repeat", "step", "hidden", "feature")
        assert found["step"].values.tolist() == [0, 5, 10, 12]
    with Sweep(path) as sweep:
        assert sweep.step is not None
        assert sweep.step.tolist() == [0, 5, 10, 12]


def test_smaller_models_are_padded(tiny, path):
    run_sweep(make_plan(tiny, [Axis("n_hidden", (3, 1))]), path, workers=1)
    with Sweep(path) as sweep:
        W = sweep["W"]
        assert W.shape == (2, 1, 3, 4)
        assert np.isnan(W).any(axis=-1).tolist() == [[[False] * 3], [[False, True, True]]]


def test_a_result_tells_what_it_is(tiny, path):
    run_sweep(make_plan(tiny, [Axis("density", (0.5, 0.2))]), path, workers=1)
    with Sweep(path) as sweep:
        assert sweep.axes == {"density": (0.5, 0.2)}
        assert sweep.experiment["name"] == "tiny"
        assert sweep.repeat == 1
        assert sweep.failures == []
        assert "minibatches" in sweep.training
        assert "fused step" in sweep.training
        assert sweep.step is None
        with pytest.raises(SettingError, match="expected_loss"):
            _ = sweep["expected_los"]
    assert is_sweep(path)


def test_a_result_says_where_models_were_trained_without_the_fused_step(tiny, path):
    run_sweep(make_plan(tiny.with_settings(model="absolute-value")), path, workers=1)
    with Sweep(path) as sweep:
        assert "fused" not in sweep.training


def test_other_files_are_no_sweeps(path):
    assert not is_sweep(path)
    path.write_text("nothing")
    assert not is_sweep(path)
    with pytest.raises(RecordingError, match=r"sweep\.h5"):
        Sweep(path)


def test_one_task_at_a_time_is_in_memory(tiny, tmp_path, monkeypatch):
    alive, most = weakref.WeakSet(), []
    read = SealedFolder.read

    def watched(folder, name):
        arrays = {key: np.array(values).view(Watched) for key, values in read(folder, name).items()}
        alive.update(arrays.values())
        most.append(len(alive))
        return arrays

    monkeypatch.setattr(SealedFolder, "read", watched)
    grid = [Axis("density", (0.1, 0.2)), Axis("importance_extra", (1.0, 2.0)), Axis("lr", (0.1, 0.2, 0.3, 0.4, 0.5))]
    plan = make_plan(tiny, grid, way="samples")
    planted(plan, tmp_path, monkeypatch)
    # Each task left one array.
    assert most == [1] * 5


class Watched(np.ndarray):
    """An array that can be counted."""

    __hash__ = object.__hash__
    __eq__ = object.__eq__
