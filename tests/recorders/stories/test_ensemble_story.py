"""The story of an ensemble: how the members of a planted one end, and when they jump."""

import json

import h5py
import numpy as np
import pytest
import torch
from torch import nn

import dyn
from dyn.dynamics.errors import RecordingError, SettingError
from dyn.recorders.stories.ensemble_story import tell_ensemble
from dyn.recorders.stories.story import tell, tell_all

ROWS, JUMPS = 1000, (400, 600, None)


class Members(nn.Module):
    """Three models of two features in one dimension."""

    def __init__(self):
        super().__init__()
        self.W = nn.Parameter(torch.zeros(len(JUMPS), 1, 2))


@pytest.fixture
def recording(path):
    """In each member feature 0 is alone, until in two of them feature 1 joins it as its antipode."""
    model = Members()
    with dyn.attach(model, None, path, features={"W": "columns"}) as recorder:
        for k in range(ROWS):
            with torch.no_grad():
                for member, step in enumerate(JUMPS):
                    model.W[member] = torch.tensor([[1.0, -1.0 if step is not None and k >= step else 0.0]])
            recorder.step(loss=1.0)
    with dyn.open(path) as opened:
        yield opened


def test_the_ends_are_counted(recording):
    summary = tell_ensemble(recording).summary
    assert dict(summary.outcomes) == {(("digon", 1),): 2, (("dedicated", 1), ("not represented", 1)): 1}


def test_the_jumps_are_those_that_were_planted(recording):
    times = tell_ensemble(recording).summary.jump_times
    assert [len(each) for each in times] == [1, 1, 0]
    # A sudden jump lies between two rows.
    np.testing.assert_allclose([times[0][0], times[1][0]], JUMPS[:2], atol=1)


def test_an_ensemble_is_told_as_one(recording):
    story = tell_all(recording)
    text = str(story)
    assert "the ends of 3 of 3 instances" in text
    assert "2: digon\n" in text
    assert "2 jumps, 0 to 1 in an instance" in text
    document = json.loads(json.dumps(story.as_dict(), allow_nan=False))
    assert document["levels"]["1/2"]["share"] == pytest.approx(2 / 3)
    assert document["outcomes"][0] == {"members": 2, "polytopes": {"digon": 1}}


def test_a_member_is_told_by_itself(recording):
    assert [jump.features for jump in tell(recording, instance=1).jumps] == [(0, 1)]
    assert tell(recording, instance=2).jumps == []


def test_a_single_model_is_no_ensemble(path):
    with dyn.attach(nn.Linear(2, 1), None, path) as recorder:
        recorder.step()
    with dyn.open(path) as recording, pytest.raises(SettingError, match="no ensemble"):
        tell_ensemble(recording)


def test_a_recording_without_rows_or_features_is_not_told(path):
    with dyn.attach(nn.Linear(2, 1), None, path, features=None) as recorder:
        recorder.step()
    with dyn.open(path) as recording:
        assert tell_all(recording) is None


def test_without_the_matrices_the_jumps_of_the_first_member_are_told(recording):
    recording.close()
    with h5py.File(recording.path, "r+") as file:
        del file["parameters/W"]
    with dyn.open(recording.path) as bare:
        assert str(tell_all(bare)).startswith("W, instance 0, 1 jump\n")
        with pytest.raises(RecordingError, match="has the features of W, but not W; record it too"):
            tell_ensemble(bare)
