"""The plateaus beside a change: their values, their drift, and how sure they are."""

import numpy as np
import pytest
from scipy.signal import lfilter

from dyn.dynamics.jumps.sides import NEAR, look

ROWS = np.arange(400)


def test_plateaus_without_noise_are_what_they_are():
    sides = look(np.where(ROWS < 200, 0.2, 0.5), ROWS, (199, 200), (0, 399), noise=0.01)
    assert (sides.left[-1], sides.right[0]) == (198, 201)
    assert sides.left.size == sides.right.size == NEAR
    np.testing.assert_allclose([sides.before, sides.after, sides.spread, sides.drifted], [0.2, 0.5, 0, 0], atol=1e-12)
    # Two means over 32 blocks.
    assert sides.sigmas == pytest.approx(0.3 / (0.01 * np.sqrt(2 / 32)))


def test_a_drift_is_followed_to_where_the_change_begins_and_ends():
    y = 0.001 * ROWS + 0.3 * np.clip((ROWS - 180) / 40, 0, 1)
    sides = look(y, ROWS, (180, 220), (0, 399), noise=1e-4)
    np.testing.assert_allclose([sides.before, sides.after], [0.18, 0.52], atol=1e-12)
    # From the middle of the blocks 148 … 179 to that of 221 … 252.
    assert sides.drifted == pytest.approx(0.001 * 73)


def test_the_drift_over_the_steps_counts_too():
    step = np.geomspace(1, 1e6, 400)
    y = step / step[-1]
    sides = look(y, step, (340, 350), (0, 399), noise=1e-4)
    # All of the change is drift over the steps.
    assert sides.drifted == pytest.approx(y[sides.right].mean() - y[sides.left].mean())


def test_a_plateau_that_bends_does_not_tilt_the_other():
    y = np.where(ROWS < 200, -0.5 * np.maximum(ROWS - 190, 0), -5.0)
    sides = look(y, ROWS, (199, 200), (195, 399), noise=0.01)
    # The left one falls by 2 over its four blocks; their mean is all that is known of it.
    assert (sides.before, sides.after) == (pytest.approx(y[195:199].mean(), abs=0.01), pytest.approx(-5, abs=0.01))


def test_a_neighbour_bounds_a_plateau():
    sides = look(np.where(ROWS < 200, 0.0, 1.0), ROWS, (199, 200), (195, 205), noise=0.1)
    assert (sides.left[0], sides.left[-1], sides.right[0], sides.right[-1]) == (195, 198, 201, 205)


@pytest.mark.parametrize("correlation", [0.0, 0.5])
def test_the_error_is_that_of_the_means_however_the_noise_is_correlated(correlation):
    rng = np.random.default_rng(0)
    errors, sizes = [], []
    for _ in range(300):
        noise = np.asarray(lfilter([np.sqrt(1 - correlation**2)], [1, -correlation], rng.normal(size=400)))
        # The noise that is told is that of a block alone.
        sides = look(noise, ROWS, (199, 200), (0, 399), noise=1.0)
        errors.append(sides.error)
        # The means themselves: a drift that is seen by chance leads before and after away from them.
        sizes.append(noise[sides.right].mean() - noise[sides.left].mean())
    # A deviation from 300 draws is known to 4 %; a correlation in 64 blocks to 0.11, which is 15 % of the error.
    assert np.median(errors) == pytest.approx(np.std(sizes), rel=0.2)
