"""Single signals change where they go surely from one plateau to another."""

import numpy as np
import pytest
from scipy.signal import lfilter

from dyn.dynamics.jumps.changes import find_changes

ROWS = np.arange(1000)


def test_each_feature_has_its_own_changes_in_order():
    first, second = 0.5 * (ROWS >= 200) - 0.5 * (ROWS >= 700), 0.3 * np.clip((ROWS - 400) / 50, 0, 1)
    changes = find_changes(np.stack([first, second], axis=1), 7 * ROWS)
    assert [(change.feature, change.start, change.end) for change in changes[:2]] == [(0, 199, 200), (0, 699, 700)]
    (ramp,) = changes[2:]
    # The last window is about four ramps long and has 64 bins.
    assert (ramp.feature, ramp.start, ramp.end) == (1, pytest.approx(400, abs=4), pytest.approx(450, abs=4))
    assert (ramp.before, ramp.after) == (pytest.approx(0, abs=0.01), pytest.approx(0.3, abs=0.01))


def test_noise_that_lasts_is_no_change():
    # It is remembered for ten rows, which is five blocks of the thirty-two of a plateau.
    noise = lfilter([1], [1, -0.9], np.random.default_rng(0).normal(size=(2000, 200)), axis=0)
    assert find_changes(np.asarray(noise)[1000:], ROWS) == []


def test_a_change_of_the_first_rows_has_no_plateau_before_it():
    assert find_changes((ROWS >= 2)[:, None].astype(float), ROWS) == []
