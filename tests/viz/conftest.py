"""Recordings that the tests of the pictures look at."""

import numpy as np
import pytest

import dyn
from dyn.dynamics.experiments import EXPERIMENTS
from dyn.recorders.experiment import record_experiment
from dyn.recorders.recording import Recording


@pytest.fixture(scope="session")
def geometry(tmp_path_factory):
    """The geometry experiment until the octahedron is there."""
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


@pytest.fixture(scope="session")
def every_step_of(geometry: Recording) -> np.ndarray:
    """The dimensionality of the geometry recording, (T, n)."""
    return geometry.features["W"]["dimensionality"][:]
