"""Recordings that the tests of the pictures look at."""

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

import h5py
import matplotlib.pyplot as plt
import numpy as np
import pytest

import dyn
from dyn.dynamics.experiments import EXPERIMENTS
from dyn.dynamics.synthetic.trajectories import Trajectory
from dyn.recorders.experiment import record_experiment
from dyn.recorders.reading.recording import Recording


@pytest.fixture(scope="session")
def geometry(tmp_path_factory):
    """The geometry experiment until each set is a triad, before they twist to an octahedron."""
    path = tmp_path_factory.mktemp("recordings") / "geometry.h5"
    experiment = EXPERIMENTS["geometry"].with_settings(steps=3_000, batch_size=256, evaluation_size=256)
    with dyn.open(record_experiment(experiment, path)) as recording:
        yield recording


@pytest.fixture(scope="session")
def ensemble(tmp_path_factory):
    """Three short runs in one, of different densities, in four hidden dimensions."""
    path = tmp_path_factory.mktemp("recordings") / "ensemble.h5"
    experiment = EXPERIMENTS["intro"].with_settings(n_hidden=4, steps=200, batch_size=32, evaluation_size=64)
    with dyn.open(record_experiment(experiment, path)) as recording:
        yield recording


def recorded(tmp_path_factory, name: str, **settings) -> Recording:
    """Record a short run of an experiment, every twentieth step of it."""
    path = tmp_path_factory.mktemp("recordings") / f"{name}.h5"
    sizes = {"batch_size": 32, "evaluation_size": 64, "every": 20, **settings}
    return dyn.open(record_experiment(EXPERIMENTS[name].with_settings(**sizes), path))


@pytest.fixture(scope="session")
def record_short(tmp_path_factory):
    """Record a short run of an experiment with these settings, and open it."""
    return partial(recorded, tmp_path_factory)


@pytest.fixture(scope="session")
def plane(tmp_path_factory):
    """Three pairs of features in a plane at two densities, four models each."""
    with recorded(tmp_path_factory, "pca-collapse", steps=200, density=(0.7, 0.03), repeat=4) as recording:
        yield recording


@pytest.fixture(scope="session")
def phase_diagram(tmp_path_factory):
    """An extra feature at two densities and three importances, three models each."""
    grid = {"density": (0.01, 1.0), "importance_extra": (0.1, 1.0, 10.0), "repeat": 3}
    with recorded(tmp_path_factory, "phase-2x1", steps=400, **grid) as recording:
        yield recording


@pytest.fixture(scope="session")
def densities(tmp_path_factory):
    """Twelve equal features in four dimensions at three densities."""
    sizes = {"n_features": 12, "n_hidden": 4, "density": (1.0, 0.3, 0.1)}
    with recorded(tmp_path_factory, "uniform-geometry", steps=100, **sizes) as recording:
        yield recording


@pytest.fixture
def written(tmp_path):
    """Write arrays by their paths in the file as a recording with this config, and open it."""
    opened = []

    def write(arrays: Mapping[str, np.ndarray], config: Mapping[str, Any]) -> Recording:
        path = tmp_path / f"{len(opened)}.h5"
        with h5py.File(path, "w", libver=("v110", "v110")) as file:
            file.attrs.update(format="learning-dynamics", format_version=1, status="complete", created="")
            file.attrs.update(software="the tests", config=json.dumps(config))
            file["committed"], file["time"] = [len(arrays["step"])], np.arange(len(arrays["step"]), dtype=float)
            for name, values in arrays.items():
                file.create_dataset(name, data=values, chunks=(1, *values.shape[1:]) if values.ndim > 2 else None)
            file["parameters/W"].attrs["features"] = "columns"
        opened.append(dyn.open(path))
        return opened[-1]

    yield write
    for recording in opened:
        recording.close()


@pytest.fixture
def planted(written):
    """Write the features and the losses of a planted trajectory as a recording, and open it."""

    def write(trajectory: Trajectory) -> Recording:
        rows, n = trajectory.signal.shape
        arrays = {
            "step": trajectory.step,
            "scalars/loss": trajectory.loss,
            "scalars/expected_loss": trajectory.expected_loss,
            "features/W/dimensionality": trajectory.signal.astype(np.float32),
            "parameters/W": np.zeros((rows, 3, n), np.float32),
        }
        return written(arrays, {})

    return write


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="session")
def every_step_of(geometry: Recording) -> np.ndarray:
    """The dimensionality of the geometry recording, (T, n)."""
    return geometry.features["W"]["dimensionality"][:]
