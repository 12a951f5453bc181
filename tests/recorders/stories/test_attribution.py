"""Whose motion brought a change of the loss, in recordings of trainings whose loss is known."""

import json

import numpy as np
import pytest
import torch
from torch import nn

import dyn
from dyn.dynamics.errors import RecordingError, SettingError
from dyn.dynamics.experiments import EXPERIMENTS
from dyn.dynamics.training.evaluation import PopulationLoss
from dyn.recorders.experiment import record_experiment
from dyn.recorders.stories.attribution import attribute
from dyn.recorders.stories.payers import attribute_run, with_payers
from dyn.recorders.stories.story import tell

pytestmark = pytest.mark.usefixtures("one_thread")

ENERGY = EXPERIMENTS["energy-levels"].with_settings(evaluation_size=1024)


def planted(path, experiment, parameters):
    """A recording of an experiment that was not trained: its parameters go where they are told to."""
    model = nn.ParameterDict({name: nn.Parameter(torch.tensor(rows[0])) for name, rows in parameters.items()})
    config = {"experiment": experiment.as_dict()}
    with dyn.attach(model, None, path, features={"W": "columns"}, config=config) as recorder:
        for k in range(len(parameters["W"])):
            with torch.no_grad():
                for name, rows in parameters.items():
                    model[name].copy_(torch.tensor(rows[k]))
            if k < len(parameters["W"]) - 1:
                recorder.step()
    return path


@pytest.fixture
def two_movers(path):
    """First the second feature grows into a dimension of its own, then the fourth takes its place in the other one."""
    experiment = ENERGY.with_settings(n_features=5, n_hidden=2, density=0.2)
    W, b = np.zeros((121, 2, 5), np.float32), np.zeros((121, 5), np.float32)
    ramp = np.clip(np.arange(121) / 50, 0, 1)
    W[:, 0, 1], W[:, 1, 3] = ramp, np.clip((np.arange(121) - 60) / 50, 0, 1)
    return planted(path, experiment, {"W": W, "b": b}), experiment, W, b


def test_of_two_that_move_one_after_the_other_each_has_its_own_change(two_movers):
    path, experiment, W, b = two_movers
    loss = PopulationLoss(experiment)({"W": W, "b": b})
    with dyn.open(path) as recording:
        row = attribute(recording)
        first, second = attribute(recording, 0, 55), attribute(recording, 55, 120)
    assert row.allocation.by_feature[1] == pytest.approx(loss[55] - loss[0], rel=0.01)
    assert row.allocation.by_feature[3] == pytest.approx(loss[-1] - loss[55], rel=0.01)
    assert [row.allocation.by_feature[k] for k in (0, 2, 4)] == [0, 0, 0]
    assert row.allocation.by_parameter["b"] == 0
    assert first.allocation.by_feature[3] == 0 == second.allocation.by_feature[1]
    assert first.words.startswith("feature 1 brought")


def test_shares_sum_to_the_change_of_the_recorded_loss(two_movers):
    path, experiment, W, b = two_movers
    change = float(np.diff(PopulationLoss(experiment)({"W": W[[0, -1]], "b": b[[0, -1]]}))[0])
    with dyn.open(path) as recording:
        row = attribute(recording)
    assert row.change == pytest.approx(change, rel=1e-4)
    assert abs(row.allocation.total - row.change) <= row.allocation.error + 1e-5 * abs(row.change)


def test_outputs_add_up_to_the_change_and_a_pair_pays_in_interference(two_movers):
    path, *_ = two_movers
    with dyn.open(path) as recording:
        row = attribute(recording)
    assert sum(on + off for on, off in row.by_output.values()) == pytest.approx(row.change, rel=1e-6)
    # Without biases and in orthogonal dimensions nobody interferes.
    assert all(abs(off) < 1e-9 for _, off in row.by_output.values())
    assert row.by_output[1][0] < -0.01
    assert row.by_output[0] == (0, 0)


@pytest.fixture(scope="module")
def members(tmp_path_factory):
    experiment = ENERGY.with_settings(n_features=6, n_hidden=2, repeat=3, steps=60)
    with dyn.open(record_experiment(experiment, tmp_path_factory.mktemp("members") / "run.h5")) as recording:
        yield recording


def test_members_share_the_change_of_the_mean(members):
    expected = members.scalars["expected_loss"]
    rows = [attribute(members, 10, 50, instance=k) for k in range(3)]
    assert sum(rows[0].by_member.values()) == pytest.approx(expected[50] - expected[10], rel=1e-5)
    for k, row in enumerate(rows):
        # Each member's own loss is three times what it adds to the mean.
        assert row.change == pytest.approx(3 * row.by_member[k], rel=1e-3, abs=1e-7)
        assert row.allocation.total == pytest.approx(row.change, rel=5e-3)


def test_rows_are_documents(members):
    row = attribute(members, 10, 50, instance=1)
    document = json.loads(json.dumps(row.as_dict(), allow_nan=False))
    assert {"by_feature", "by_parameter", "total", "error", "by_output", "by_member"} <= document.keys()
    assert list(document["by_member"]) == ["0", "1", "2"]


def test_a_loss_that_is_not_known_is_refused(path):
    model = nn.Linear(3, 2)
    with dyn.attach(model, None, path) as recorder:
        recorder.step()
    with dyn.open(path) as recording, pytest.raises(SettingError, match="gradients='allocation'"):
        attribute(recording)


def test_a_parameter_that_was_not_recorded_is_missed(path):
    record_experiment(ENERGY.with_settings(steps=5), path, select="W")
    with dyn.open(path) as recording, pytest.raises(RecordingError, match="has no b, which the loss depends on"):
        attribute(recording)


def test_what_diverged_is_shared_out_up_to_there(path):
    W, b = np.zeros((40, 2, 5), np.float32), np.zeros((40, 5), np.float32)
    W[:, 0, 1] = np.linspace(0, 1, 40)
    W[30:] = np.nan
    planted(path, ENERGY.with_settings(n_features=5, n_hidden=2), {"W": W, "b": b})
    with dyn.open(path) as recording:
        assert attribute(recording).end == 29
        with pytest.raises(RecordingError, match="not finite"):
            attribute(recording, 10, 35)


def test_words_of_a_story_tell_who_paid_for_each_jump(path):
    """A feature that comes late: a jump, in which it is the one that moves."""
    W, b = np.zeros((400, 2, 5), np.float32), np.zeros((400, 5), np.float32)
    noise = np.random.default_rng(0).normal(scale=1e-3, size=W.shape)
    W[:, 0, 1], W[:, 1, 2] = 1, 1
    W[:, 0, 3] = -np.clip((np.arange(400) - 200) / 10, 0, 1)
    planted(path, ENERGY.with_settings(n_features=5, n_hidden=2), {"W": W + noise.astype(np.float32), "b": b})
    with dyn.open(path) as recording:
        story = with_payers(recording, tell(recording))
        assert len(story.jumps) == 1
        assert "feature 3 brought" in story.jump_lines
        assert story.as_dict()["jumps"][0]["paid"]["by_feature"]["3"] < 0
        assert [row.start for row in attribute_run(recording)] == [story.jumps[0].start, 0]
