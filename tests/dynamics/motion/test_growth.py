"""The rate at which a distance grows: right within its error, and none where nothing grows exponentially."""

import numpy as np
import pytest

from dyn.dynamics.motion.growth import exponential_growth

STEP = np.arange(2000)
RATE = 0.01


def correlated(rows: int, rho: float, size: float, seed: int) -> np.ndarray:
    """Return noise (rows,) of that standard deviation whose neighbours go together as rho."""
    draws, noise = np.random.default_rng(seed).normal(size=rows), np.zeros(rows)
    for k in range(1, rows):
        noise[k] = rho * noise[k - 1] + np.sqrt(1 - rho**2) * draws[k]
    return size * noise


def parted(rows: int = 2000, at: int = 300, rate: float = RATE, start: float = 1e-7, end: float = 3.0) -> np.ndarray:
    """Return a distance that is 0 until a step, then grows at a rate, and saturates smoothly."""
    grown = start * np.exp(rate * (np.arange(rows) - at))
    return np.where(np.arange(rows) < at, 0.0, grown * end / (grown + end))


@pytest.mark.parametrize("rate", [0.008, 0.012, 0.03])
def test_a_planted_rate_is_found_before_it_saturates(rate):
    found = exponential_growth(parted(rate=rate), STEP)
    assert found.rate == pytest.approx(rate, rel=0.03)
    assert 300 <= found.start < found.end <= 300 + np.log(3e7) / rate * 1.1


def test_the_rate_is_per_step_however_many_steps_a_row_has():
    every, rows = exponential_growth(parted(), STEP), exponential_growth(parted()[::5], STEP[::5])
    assert rows.rate == pytest.approx(every.rate, rel=0.02)


@pytest.mark.parametrize("rho", [0.0, 0.9, 0.98])
def test_the_error_is_that_of_correlated_noise(rho):
    errors = []
    for seed in range(40):
        noise = correlated(2000, rho, 0.3, seed)
        found = exponential_growth(np.exp(RATE * STEP + noise - 18), STEP)
        assert found.rate is not None
        errors.append((found.rate - RATE) / found.error)
    # Of normal errors 95 % are within two; the choice of the stretch is not in them, so that a few more are beyond.
    assert np.mean(np.abs(errors) < 2) >= 0.85
    assert 0.4 < np.std(errors) < 1.6


@pytest.mark.parametrize(
    ("distance", "why"),
    [
        (1e-6 * (STEP + 1), "power of the steps, 1.0|less than tenfold"),
        (1e-6 * (STEP + 1) ** 2.0, "power of the steps|less than tenfold"),
        (1e-6 * np.sqrt(STEP + 1), "power of the steps|less than tenfold"),
        (np.full(2000, 0.3), "less than tenfold"),
        (np.where(STEP < 700, 0.0, 2.0), "less than tenfold"),
        (2.0 + 0.1 * np.sin(STEP / 50), "less than tenfold"),
        (np.exp(-0.01 * STEP), "less than tenfold"),
        (np.zeros(2000), "fewer than twelve"),
        (np.full(2000, np.nan), "fewer than twelve"),
    ],
)
def test_what_does_not_grow_exponentially_has_no_rate(distance, why):
    found = exponential_growth(distance, STEP)
    assert (found.rate, found.error, found.start, found.end) == (None, None, None, None)
    assert any(each in found.verdict for each in why.split("|"))


def test_powers_with_noise_have_no_rate():
    rng = np.random.default_rng(0)
    for power in (0.5, 1.0, 2.0, 3.0):
        noisy = (STEP + 1) ** power * np.exp(0.1 * rng.normal(size=2000))
        assert exponential_growth(noisy, STEP).rate is None


def test_shapes_that_differ_are_named():
    with pytest.raises(ValueError, match=r"\(3,\) and \(4,\)"):
        exponential_growth(np.ones(3), np.arange(4))
