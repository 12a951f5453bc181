"""Jumps of what was logged: scalars, sparse ones too, and the columns of probes, in recordings without any matrix."""

import json

import numpy as np
import pytest
import torch
from torch import nn

import dyn
from dyn.dynamics.errors import SettingError
from dyn.recorders.stories.signals import tell_signal

ROWS, START, END = 1200, 600, 620


def share(k: int) -> float:
    return float(np.clip((k - START) / (END - START), 0, 1))


@pytest.fixture
def recording(path):
    """A test accuracy that leaps, seen in every fourth row; a quiet scalar; and a probe of which one element leaps."""
    rng = np.random.default_rng(0)
    probe = np.zeros((2, 3))
    probes = {"probe": lambda _: torch.tensor(probe)}
    with dyn.attach(nn.Linear(2, 1), None, path, select="bias", probes=probes) as recorder:
        for k in range(ROWS):
            probe[1, 2], probe[0, 1] = 1e-3 * share(k), 100 * rng.normal()
            seen = {"test_acc": 0.1 + 0.8 * share(k)} if k % 4 == 0 else {}
            recorder.step(loss=2 - share(k), quiet=rng.normal(), **seen)
    with dyn.open(path) as opened:
        yield opened


def test_a_scalar_that_leaps_is_told_at_its_time(recording):
    (jump,) = tell_signal(recording, "test_acc").jumps
    assert START - 4 <= jump.start < jump.end <= END + 4
    assert (jump.before[0], jump.after[0]) == (pytest.approx(0.1, abs=1e-3), pytest.approx(0.9, abs=1e-3))
    assert jump.loss_change == pytest.approx(-1, abs=0.05)
    text = str(tell_signal(recording, "test_acc"))
    assert text.startswith("test_acc, 1 jump\n  steps ")
    assert "test_acc rises 0.1 → 0.9; loss -1" in text


def test_a_loss_is_not_told_twice(recording):
    story = tell_signal(recording, "loss")
    assert story.loss is None
    assert str(story).endswith("loss falls 2 → 1")


def test_what_only_wanders_does_not_jump(recording):
    assert tell_signal(recording, "quiet").jumps == []
    assert str(tell_signal(recording, "quiet")) == "quiet, 0 jumps"


def test_a_column_of_a_probe_is_told_by_its_place_however_small_it_is(recording):
    (document,) = tell_signal(recording, "probe").as_dict()
    assert (document["signal"], document["columns"], document["features"]) == ("probe", ["probe[1, 2]"], [5])
    assert document["after"] == [pytest.approx(1e-3, rel=0.01)]
    assert json.loads(json.dumps(document)) == document


def test_a_name_that_is_not_there_is_refused_with_those_that_are(recording):
    with pytest.raises(SettingError, match=r"unknown signal 'xyzzy'; known: .*quiet.*probe"):
        tell_signal(recording, "xyzzy")
