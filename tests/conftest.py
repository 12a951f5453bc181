"""What the tests of several folders start from."""

import gc
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# Of several processes that test side by side each has one core. Torch reads this when it is first imported.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

from dyn import recorders
from dyn.dynamics.experiments import Experiment

# How long an example takes depends on what else the machine does; all else is as it would be, here and in CI.
settings.register_profile("dyn", parent=settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("dyn")


def pytest_collection_finish() -> None:
    """Keep the libraries and the tests themselves out of every search for garbage, and for models, that follows."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Tensors this small gain little from a second thread, lose much where it has to wait, and round otherwise."""
    with recorders.experiment.one_thread():
        yield


@pytest.fixture
def tiny() -> Experiment:
    """An experiment that trains in milliseconds."""
    return Experiment(
        name="tiny",
        title="four features in two dimensions",
        source="the tests",
        n_features=4,
        n_hidden=2,
        density=0.5,
        importance="0.8^i",
        batch_size=16,
        steps=12,
        evaluation_size=64,
    )
