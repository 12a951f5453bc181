"""The numbers of rows as a training logs them: how many there are room for, and which of them count."""

import numpy as np
import pytest
import torch
from torch import nn

import dyn
from dyn.dynamics.errors import SettingError

pytestmark = pytest.mark.usefixtures("way")


def test_the_65th_scalar_of_a_recording_is_refused(regression, path):
    with dyn.attach(regression.model, regression.optimizer, path) as recorder:
        # Besides the learning rate, which has a place of its own, and the loss.
        recorder.log(**{f"x{k}": k for k in range(63)})
        with pytest.raises(SettingError, match=r"holds 65; record many numbers as one array, by attach\(probes="):
            recorder.log(x63=1)
        regression.train(2, recorder)
    with dyn.open(path) as recording:
        assert (recording.status, len(recording.scalars), recording.scalars["x62"][0]) == ("complete", 65, 62)


def test_the_first_evaluation_of_a_closure_counts_even_where_it_gives_nan(path):
    """What the next ones give belongs to other parameters."""
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    values = iter([float("nan"), 1.0, 2.0, 3.0])

    def closure() -> torch.Tensor:
        for _ in range(2):
            recorder.log(loss=next(values))
        recorder.log(late=5.0)
        return torch.tensor(0.0)

    with dyn.attach(model, optimizer, path) as recorder:
        optimizer.step(closure)
        optimizer.step(closure)
    with dyn.open(path) as recording:
        np.testing.assert_array_equal(recording.scalars["loss"], [np.nan, 2, np.nan])
        np.testing.assert_array_equal(recording.scalars["late"], [5, 5, np.nan])


def test_there_is_room_for_every_learning_rate(path, monkeypatch):
    monkeypatch.setattr("dyn.recorders.writing.start._SCALARS", 2)
    model = nn.ParameterList(torch.ones(1) for _ in range(9))
    optimizer = torch.optim.SGD([{"params": [p]} for p in model], lr=0.5)
    with dyn.attach(model, optimizer, path) as recorder:
        recorder.step(a=1)
    with dyn.open(path) as recording:
        assert (recording.scalars["lr_8"][0], recording.scalars["a"][0]) == (0.5, 1)
