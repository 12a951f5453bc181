"""The story of a recording: jumps that were planted in it are told, in words and as a document."""

import json

import h5py
import numpy as np
import pytest
import torch
from torch import nn

import dyn
from dyn.dynamics.errors import RecordingError, SettingError
from dyn.recorders.reading.selection import select
from dyn.recorders.stories.story import tell, tell_all

ROWS, START, END = 1200, 600, 620


@pytest.fixture
def recording(path):
    """One dimension that feature 0 has to itself until feature 1 joins it as its antipode, and the loss drops by 1."""
    model = nn.Linear(2, 1, bias=False)
    with dyn.attach(model, None, path) as recorder:
        for k in range(ROWS):
            share = np.clip((k - START) / (END - START), 0, 1)
            with torch.no_grad():
                model.weight.copy_(torch.tensor([[1.0, -share]]))
            recorder.step(loss=2 - share)
    with dyn.open(path) as opened:
        yield opened


def test_a_planted_jump_is_told(recording):
    story = tell(recording)
    (jump,) = story.jumps
    assert jump.features == (0, 1)
    # Anywhere within the ramp.
    assert START <= (jump.start + jump.end) / 2 <= END
    # The closed form: D = 1 / (1 + share²) and share² / (1 + share²), from one plateau to the other.
    np.testing.assert_allclose(jump.before, [1, 0], atol=0.01)
    np.testing.assert_allclose(jump.after, [0.5, 0.5], atol=0.01)
    assert jump.loss_change == pytest.approx(-1, abs=0.01)
    assert (story.parameter, story.instance, story.loss) == ("weight", None, "loss")


def test_the_words_name_features_levels_and_loss(recording):
    text = str(tell(recording))
    assert "1 jump\n" in text
    assert "feature 1 rises 0.00 → 0.50 (digon)" in text
    assert "feature 0 falls 1.00 → 0.50 (digon)" in text
    assert "loss -1" in text


def test_the_last_row_is_named_and_the_regimes_are_told(recording):
    story = tell(recording)
    (digon,) = story.polytopes
    assert (digon.name, digon.features) == ("digon", (0, 1))
    assert story.regimes[0].start == 0
    assert story.regimes[-1].end == ROWS
    assert str(story).startswith("inputs of weight, at last digon\n  digon: features 0, 1\n")


def test_what_is_too_large_is_left_out(path):
    model = nn.Linear(600, 2, bias=False)
    with dyn.attach(model, None, path) as recorder:
        for _ in range(4):
            recorder.step()
    with dyn.open(path) as recording:
        story = tell(recording)
    assert (story.polytopes, story.regimes, story.jumps) == (None, None, [])
    assert story.as_dict()["polytopes"] is None


def test_weights_that_diverged_are_neither_named_nor_an_error(path):
    model = nn.Linear(2, 1, bias=False)
    with dyn.attach(model, None, path) as recorder:
        for k in range(30):
            with torch.no_grad():
                model.weight.fill_(np.nan if k > 20 else 1.0)
            recorder.step(loss=np.nan)
    with dyn.open(path) as recording:
        story = tell(recording)
    assert (story.polytopes, story.loss, story.diverged_at) == (None, None, 0)
    # What happened before is told.
    assert story.regimes is not None
    assert story.regimes[-1].end <= 20
    assert str(story).startswith("inputs of weight, diverged at step 0\n")
    assert story.as_dict()["diverged_at"] == 0


def test_a_run_without_a_number_is_said_to_be_one(path):
    model = nn.Linear(2, 1, bias=False)
    nn.init.constant_(model.weight, np.nan)
    with dyn.attach(model, None, path) as recorder:
        for _ in range(5):
            recorder.step(loss=np.nan)
    with dyn.open(path) as recording:
        story = tell(recording)
    assert story.jump_lines == "inputs of weight, 0 jumps: its dimensionality is not a number in any row"
    assert story.regimes is None


def test_a_story_is_a_json_document(recording):
    document = json.loads(json.dumps(tell(recording).as_dict(), allow_nan=False))
    assert document["jumps"][0]["features"] == [0, 1]
    assert document["jumps"][0]["after"] == pytest.approx([0.5, 0.5], abs=0.01)


def test_a_recording_without_features_has_no_story(path):
    with dyn.attach(nn.Linear(2, 1), None, path, features=None) as recorder:
        recorder.step()
    with dyn.open(path) as recording, pytest.raises(RecordingError, match="no features"):
        tell(recording)


def test_a_parameter_that_is_not_there_is_named(recording):
    with pytest.raises(SettingError, match="nothing"):
        tell(recording, parameter="nothing")


def test_features_without_their_matrix_tell_of_jumps_only(recording):
    whole = tell(recording)
    recording.close()
    with h5py.File(recording.path, "r+") as file:
        del file["parameters/weight"]
    with dyn.open(recording.path) as bare:
        story = tell_all(bare)
        assert (story.polytopes, story.regimes) == (None, None)
        # D alone does not say which polytope has it.
        assert story.jump_lines == whole.jump_lines.replace(" (digon)", "").removeprefix("inputs of ")
        assert str(story).startswith("weight, 1 jump\n")
        with pytest.raises(RecordingError, match="has the features of weight, but not weight; record it too"):
            select(bare).weights_at(slice(-1, None))


def test_no_regime_goes_on_where_the_run_diverged(path):
    model = nn.Linear(6, 3, bias=False)
    first = model.weight.detach().clone()
    with dyn.attach(model, None, path) as recorder:
        for k in range(100):
            with torch.no_grad():
                model.weight.copy_(first * (1 + k / 50))
            recorder.step(loss=1.0 if k < 60 else np.inf)
    with dyn.open(path) as recording:
        story = tell(recording)
    assert story.diverged_at == 60
    assert all(regime.end < 60 for regime in story.regimes or ())


def test_what_is_said_of_a_matrix_is_said_once(path):
    rng = np.random.default_rng(0)
    model = nn.Linear(40, 20, bias=False)
    with dyn.attach(model, None, path) as recorder:
        for _ in range(30):
            with torch.no_grad():
                model.weight.add_(0.01 * torch.from_numpy(rng.standard_normal((20, 40))))
            recorder.step(loss=1.0)
    with dyn.open(path) as recording:
        story = tell(recording)
    assert str(story).count("as random directions") == 1
    # The jumps alone say it too.
    assert story.jump_lines.count("as random directions") == 1
