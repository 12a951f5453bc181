"""The best ramp: exact without noise, and as near as the noise lets it."""

import numpy as np
import pytest

from dyn.dynamics.jumps.ramps import fit_ramp


def ramp(rows: int, start: int, end: int) -> np.ndarray:
    return np.clip((np.arange(rows) - start) / (end - start), 0, 1)


@pytest.mark.parametrize(("start", "end"), [(30, 31), (10, 50), (20, 22)])
@pytest.mark.parametrize("drift", [0.0, 0.02])
def test_a_ramp_in_a_short_window_is_found_to_the_row(start, end, drift):
    y = 0.2 - 0.5 * ramp(64, start, end) + drift * np.arange(64)
    assert fit_ramp(y, 0, 64, noise=1e-3) == (start, end)


@pytest.mark.parametrize(("start", "end"), [(7000, 7001), (4321, 4330), (60_000, 60_001)])
def test_a_step_in_a_long_window_is_found_to_the_row(start, end):
    assert fit_ramp(ramp(100_000, start, end), 0, 100_000, noise=1e-3) == (start, end)


def test_a_long_ramp_is_found_to_a_part_of_its_length():
    start, end = fit_ramp(ramp(10_000, 4000, 5000), 0, 10_000, noise=1e-3)
    # The last window is about four times as long as the ramp and has 64 bins: a bin is a sixteenth of the ramp.
    np.testing.assert_allclose([start, end], [4000, 5000], atol=1000 / 16)


def test_the_middle_is_as_sure_as_the_noise_allows():
    rng = np.random.default_rng(0)
    middles = [sum(fit_ramp(ramp(400, 190, 210) + rng.normal(0, 0.2, 400), 0, 400, 0.2)) / 2 for _ in range(50)]
    # A mean over the 20 rows of the ramp, over its slope of 1/20, is uncertain by 0.2 √20 = 0.9 rows.
    assert np.std(middles) < 2 * 0.9
    assert np.mean(middles) == pytest.approx(200, abs=0.5)


def test_only_the_window_counts():
    y = ramp(300, 149, 150)
    y[:50], y[250:] = 10, -10
    assert fit_ramp(y, 60, 240, noise=0.1) == (149, 150)


@pytest.mark.parametrize("rows", range(2, 80, 3))
def test_a_ramp_lies_within_its_window_however_short_that_is(rows):
    rng = np.random.default_rng(0)
    for _ in range(20):
        start, end = fit_ramp(rng.normal(size=200), 60, 60 + rows, noise=1.0)
        assert 60 <= start < end < 60 + rows
