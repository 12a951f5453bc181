"""Jumps on planted trajectories: all are found, at their time, and none where there is none."""

import numpy as np
import pytest

from dyn.dynamics.jumps import detect_jumps
from dyn.dynamics.synthetic.scoring import score, total
from dyn.dynamics.synthetic.trajectories import Plan, plant

SPACINGS = ("regular", "random", "log")


def detect(trajectory):
    return detect_jumps(trajectory.signal, trajectory.loss, trajectory.step)


def step_signal(rows=1000, at=500, before=0.2, after=0.5):
    return np.where(np.arange(rows) < at, before, after)[:, None]


def test_planted_jumps_are_found_at_their_time():
    rng = np.random.default_rng(0)
    scores = []
    for k in range(60):
        plan = Plan(
            rows=int(rng.choice([1000, 2000, 5000])),
            features=int(rng.choice([1, 4, 16])),
            events=int(rng.integers(1, 6)),
            noise=float(rng.choice([0, 0.1, 1 / 3])),
            drift=float(rng.choice([0, 0.1])),
            spacing=SPACINGS[k % 3],
            shape="linear" if k % 2 else "smooth",
        )
        trajectory = plant(plan, seed=k)
        scores.append(score(detect(trajectory), trajectory.jumps))
    result = total(scores)
    # What detect_jumps promises, on trajectories like those of benchmarks/jumps.py.
    assert result.recall >= 0.98
    assert result.precision >= 0.98
    assert result.within >= 0.98


def test_noise_and_slow_drift_are_no_jumps():
    for k in range(100):
        plan = Plan(
            rows=1100,
            features=4,
            events=0,
            noise=(0, 0.1, 1 / 3, 2)[k % 4],
            correlation=0.5 * (k % 2),
            drift=(0, 0.1, 0.3)[k % 3],
            spacing=SPACINGS[k % 3],
        )
        assert detect(plant(plan, seed=k)) == []


def test_a_clean_step_is_known_exactly():
    (jump,) = detect_jumps(step_signal(), step=10 * np.arange(1000))
    # It lasts from the last row of the one plateau to the first of the other.
    assert (jump.start, jump.end, jump.features) == (4990, 5000, (0,))
    np.testing.assert_allclose([jump.before[0], jump.after[0]], [0.2, 0.5], atol=1e-12)
    assert jump.sharpness == pytest.approx(0.03)
    assert np.isnan([jump.loss_change, jump.loss_sigmas, jump.loss_lag]).all()


def test_a_swap_is_one_event_of_two_features():
    down, up = step_signal(before=0.5, after=0.0), step_signal(before=0.0, after=0.5)
    (jump,) = detect_jumps(np.hstack([down, np.full((1000, 1), 0.4), up]))
    assert jump.features == (0, 2)
    np.testing.assert_allclose(jump.after - jump.before, [-0.5, 0.5], atol=1e-12)


def test_jumps_apart_are_two_events():
    found = detect_jumps(np.hstack([step_signal(at=300), step_signal(at=600)]))
    assert [(jump.start, jump.features) for jump in found] == [(299, (0,)), (599, (1,))]


@pytest.mark.parametrize("spoiled", [np.nan, np.inf])
def test_rows_that_are_not_finite_are_passed_over(spoiled):
    trajectory = plant(Plan(noise=0.1), seed=4)
    lost = np.random.default_rng(0).choice(2000, 200, replace=False)
    signal, loss = trajectory.signal.copy(), trajectory.loss.copy()
    signal[lost], loss[lost] = spoiled, spoiled
    result = score(found := detect_jumps(signal, loss, trajectory.step), trajectory.jumps)
    assert result.matched == result.found == result.planted
    assert np.isfinite([jump.loss_change for jump in found]).all()


def test_a_signal_of_a_few_values_has_its_jumps_and_no_others():
    trajectory = plant(Plan(noise=0.1), seed=1)
    # Quantised to an eighth of the smallest jump and more.
    found = detect_jumps(np.round(trajectory.signal * 64) / 64, step=trajectory.step)
    result = score(found, trajectory.jumps)
    assert result.matched == result.found == result.planted


@pytest.mark.parametrize("signal", [np.zeros((1000, 3)), np.full((50, 2), np.nan), np.zeros((3, 2)), np.zeros((0, 4))])
def test_nothing_happens_where_nothing_changes(signal):
    assert detect_jumps(signal) == []


def test_a_jump_below_the_smallest_does_not_count():
    assert detect_jumps(step_signal(after=0.23)) == []
    assert len(detect_jumps(step_signal(after=0.23), smallest=0.02)) == 1


@pytest.mark.parametrize("lag", [-40, 0, 40])
def test_the_loss_is_matched_with_its_drop_and_its_lag(lag):
    plan = Plan(rows=4000, events=2, noise=0.05, ramp=(0.01, 0.01), gap=0.15, lag=lag, loss_noise=0.1)
    trajectory = plant(plan, seed=5)
    for jump, truth in zip(detect(trajectory), trajectory.jumps, strict=True):
        # Means over 32 blocks of 8 rows on both sides: four times 0.1 √(2 / 256) = 0.009.
        assert jump.loss_change == pytest.approx(truth.loss_change, abs=0.036)
        assert jump.loss_sigmas > 20
        # The middle of a ramp of 40 rows is known to 0.1 √40 / drop, about one row; four of these.
        assert jump.loss_lag == pytest.approx(lag, abs=5)


def test_a_loss_that_does_not_change_has_no_lag():
    trajectory = plant(Plan(noise=0.05), seed=2)
    noise = np.random.default_rng(0).normal(size=2000)
    for jump in detect_jumps(trajectory.signal, noise, trajectory.step):
        assert jump.loss_sigmas < 5
        assert np.isnan(jump.loss_lag)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros(5),), "dimensionality must have shape"),
        ((np.zeros((5, 2), bool),), "dimensionality must hold real numbers"),
        ((np.zeros((5, 2)), np.zeros(4)), "loss must have shape"),
        ((np.zeros((5, 2)), None, np.zeros(4)), "step must have shape"),
        ((np.zeros((5, 2)), None, np.array([0, 1, 1, 2, 3])), "step must increase"),
    ],
)
def test_what_is_no_recording_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        detect_jumps(*arguments)
