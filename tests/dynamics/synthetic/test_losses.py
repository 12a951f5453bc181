"""Pairs of jumps and losses: what is planted is there, and what is said of the loss across a jump is so."""

from dataclasses import replace

import numpy as np
import pytest

from dyn.dynamics.jumps import detect_jumps
from dyn.dynamics.synthetic import LossPlan, Plan, plant_with_loss, score

# One jump that is planted plainly.
PLAN = Plan(rows=1000, features=2, events=1, noise=0.02, ramp=(0.01, 0.1), gap=0.15)
COURSES = ["exponential", "power law", "plateau"]


def test_the_loss_is_the_expected_one_with_its_noise_and_spikes():
    quiet = plant_with_loss(PLAN, LossPlan(noise=0))
    np.testing.assert_array_equal(quiet.loss, quiet.expected_loss)
    noisy = plant_with_loss(replace(PLAN, rows=20_000), LossPlan(noise=0.1))
    # A deviation is known to 1 / √(2 N) = 0.5 %.
    assert np.std(noisy.loss / noisy.expected_loss) == pytest.approx(0.1, rel=0.02)
    spiky = plant_with_loss(replace(PLAN, rows=20_000), LossPlan(noise=0, spikes=0.01, spike=2))
    off = spiky.loss / spiky.expected_loss - 1
    # Each spike takes four rows, some of which it shares.
    assert np.mean(off > 0) == pytest.approx(0.04, abs=0.006)
    assert off.min() == 0


@pytest.mark.parametrize("lag", [-7, 0, 7])
@pytest.mark.parametrize("drop", [0.5, 0, -0.5])
def test_the_change_is_that_between_the_ends_of_jump_and_loss(lag, drop):
    planted = plant_with_loss(replace(PLAN, lag=lag), LossPlan("plateau", drop=drop))
    (jump,) = planted.jumps
    assert jump.loss_change == pytest.approx(-drop)
    start, end = np.searchsorted(planted.step, [jump.start, jump.end])
    level = max(drop, 0) + 0.1
    np.testing.assert_allclose(planted.expected_loss[[start + min(lag, 0), end + max(lag, 0)]], [level, level - drop])


@pytest.mark.parametrize("course", ["exponential", "power law"])
def test_a_falling_loss_ends_where_it_should(course):
    expected = plant_with_loss(PLAN, LossPlan(course, height=10, scale=0.01, floor=0.2, drop=0)).expected_loss
    assert expected[0] == pytest.approx(10.2)
    assert expected[-1] == pytest.approx(0.2 + (0 if course == "exponential" else 10 / (1 + 99.9)))


def said(loss: LossPlan, seed: int) -> tuple[float, float, float]:
    """Return the change across the jump, in its errors too, and that of the expected loss between the ends found."""
    planted = plant_with_loss(PLAN, loss, seed=seed)
    (jump,) = [
        each
        for each in detect_jumps(planted.signal, planted.loss, planted.step)
        if score([each], planted.jumps).matched
    ]
    start, end = np.searchsorted(planted.step, [jump.start, jump.end])
    return jump.loss_change, jump.loss_sigmas, planted.expected_loss[end] - planted.expected_loss[start]


@pytest.mark.parametrize("course", COURSES)
@pytest.mark.parametrize("noise", [0.0, 0.01, 0.2])
@pytest.mark.parametrize("spikes", [0.0, 0.01])
def test_what_is_said_of_the_loss_is_so(course, noise, spikes):
    for seed in range(6):
        drop = (-0.3, 0.0, 0.3)[seed % 3]
        change, sigmas, between = said(LossPlan(course, height=3, drop=drop, noise=noise, spikes=spikes), seed)
        # What is beyond 5 errors has the right sign, and what is beyond 20 is within 10 %; see benchmarks/jumps.py.
        assert sigmas < 5 or change * between > 0
        assert sigmas < 20 or change == pytest.approx(between, rel=0.1)


def test_a_loss_that_does_not_change_is_not_said_to():
    sigmas = [said(LossPlan("plateau", drop=0, noise=0.05), seed)[1] for seed in range(30)]
    # One of 30 normal errors is beyond 2.1 by chance, and none beyond 4.
    assert np.median(sigmas) < 1.5
    assert max(sigmas) < 4
