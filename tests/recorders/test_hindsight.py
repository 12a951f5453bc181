"""What is put into a finished recording: the progress measures of a network that adds, at some rows, and no more."""

import numpy as np
import pytest

import dyn
from dyn.dynamics.experiments import EXPERIMENTS
from dyn.dynamics.training.addition_progress import AdditionProgress
from dyn.recorders.experiment import record_experiment
from dyn.recorders.hindsight import numbers_of

TINY = EXPERIMENTS["grokking"].with_settings(n_features=7, n_hidden=8, batch_size=14, steps=300, every=1)


def test_progress_is_measured_by_the_frequencies_of_the_last_row(tmp_path):
    path = record_experiment(TINY, tmp_path / "a.h5")
    with dyn.open(path) as recording:
        parameters = {name: series[:] for name, series in recording.parameters.items()}
        expected = AdditionProgress(TINY, parameters["E"][-1])(
            {name: rows[[0, -1]] for name, rows in parameters.items()}
        )
        found = {**recording.scalars, **recording.probes}
        for name, values in expected.items():
            np.testing.assert_allclose(found[name][[0, 300]], values)
            known = np.isfinite(found[name][:].reshape(301, -1)[:, 0])
            # Others are left out.
            assert known.sum() == 240
        assert recording.probes["embedding_power"].shape == (301, 3)
        assert recording.status == "complete"


@pytest.mark.parametrize("changes", [{"n_features": 8}, {"n_instances": 2}, {"n_features": 3, "batch_size": 4}])
def test_what_has_no_such_frequencies_is_left_as_it_is(tmp_path, changes):
    experiment = TINY.with_settings(**changes, steps=3)
    path = record_experiment(experiment, tmp_path / "a.h5")
    with dyn.open(path) as recording:
        assert "restricted_loss" not in recording.scalars
    assert numbers_of(experiment) == 0
