"""Plateaus: between which steps a run rests."""

import numpy as np
import pytest
import torch

import dyn
from dyn.dynamics.errors import RecordingError, SettingError
from dyn.dynamics.jumps import Jump
from dyn.dynamics.motion.regimes import Regime
from dyn.recorders.stories.plateaus import parse_steps, plateau_steps, plateaus


def regime(start: int, end: int, kind: str) -> Regime:
    return Regime(start, end, kind, changes=(), twist=0.0, form="", loss=None)


def jump(start: int, end: int) -> Jump:
    one = np.ones(1)
    return Jump(start, end, (0,), 0 * one, one, one, loss_change=-1.0, loss_sigmas=9.0, loss_lag=0.0)


def test_resting_regimes_are_plateaus():
    regimes = [regime(0, 100, "growth"), regime(100, 300, "rest"), regime(300, 400, "twist")]
    assert plateaus([*regimes, regime(400, 1000, "settling")], [], 1000) == [200, 700]


def test_so_is_what_lies_between_jumps():
    assert plateaus([], [jump(100, 200), jump(400, 500)], 1000) == [300, 750]


def test_a_plateau_is_looked_at_once():
    # The run rests from 600 on, which is after the last jump; between the jumps one feature of many moves.
    regimes = [regime(0, 600, "reshaping"), regime(600, 1000, "rest")]
    assert plateaus(regimes, [jump(100, 200), jump(400, 500)], 1000) == [300, 800]


def test_there_is_none_where_jumps_overlap_or_end_the_run():
    assert plateaus([regime(0, 1000, "opening")], [jump(100, 600), jump(400, 1000)], 1000) == []


def test_a_run_that_never_rests_asks_for_steps(path):
    # Its two rows are too few to tell regimes or jumps.
    with dyn.attach(torch.nn.Linear(3, 2), None, path) as recorder:
        recorder.step()
    with dyn.open(path) as recording, pytest.raises(RecordingError, match="has no plateau"):
        plateau_steps(recording)


def test_steps_are_read_from_text():
    assert parse_steps("400, 2000") == [400, 2000]
    for text in ("", "400,,1", "4e3", "-5"):
        with pytest.raises(SettingError, match="is no step"):
            parse_steps(text)
