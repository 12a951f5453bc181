"""What a series is worth at its last row: level, slope and bend are followed, noise is averaged, spikes are nothing."""

import numpy as np
import pytest

from dyn.dynamics.jumps.ends import calm, noise_in_averages, value_at_end

T = np.arange(-255, 1)


def errors(course: np.ndarray, noise: float, draws: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Return how far the values at the last row of a noisy *course* are off, and the errors that are told."""
    rng = np.random.default_rng(0)
    values = [value_at_end(course + noise * rng.normal(size=T.size), noise) for _ in range(draws)]
    return np.array([each.value for each in values]) - course[-1], np.array([each.error for each in values])


@pytest.mark.parametrize(
    "course",
    [0.0 * T, -0.01 * T, np.exp(-T / 50), np.exp(-T / 200), 300 / (300 + T), 1.0 * (T < -60), 1.0 * (T < -20)],
    ids=["level", "line", "sharp bend", "bend", "power law", "a step before", "a step close by"],
)
@pytest.mark.parametrize("noise", [0.01, 0.1])
def test_the_error_is_as_large_as_it_is_said_to_be(course, noise):
    off, said = errors(course, noise)
    # Of normal errors one in twenty is beyond 2; of 200 draws, one in thirteen at most.
    assert np.mean(abs(off) > 2.5 * said) <= 0.075
    # No row is worth less than itself.
    assert np.median(said) < 1.5 * noise


def test_a_level_is_known_from_all_rows_and_a_line_from_many():
    level, line = np.median(errors(0.0 * T, 0.1)[1]), np.median(errors(-0.01 * T, 0.1)[1])
    # The mean of 256 rows, and the end of a line through them, which is twice as uncertain.
    assert level < 2 * 0.1 / 16
    assert line < 5 * 2 * 0.1 / 16


def test_a_course_without_noise_is_known_to_a_thousandth_of_its_fall():
    course = np.exp(-T / 50)
    found = value_at_end(course, noise_in_averages(course))
    assert found.value == pytest.approx(1, abs=1e-3)
    assert found.error < 1e-3


@pytest.mark.parametrize("rows", range(1, 6))
def test_few_rows_say_what_they_can(rows):
    found = value_at_end(np.full(rows, 2.5), 0.1)
    assert found.value == pytest.approx(2.5)
    assert 0.1 / np.sqrt(rows) <= found.error * (1 + 1e-9) <= 0.11


def test_noise_counts_as_it_does_in_averages():
    rng = np.random.default_rng(0)
    white = rng.normal(size=256)
    assert noise_in_averages(white) == pytest.approx(1, rel=0.35)
    # Rows that come in equal pairs are half as many.
    assert noise_in_averages(np.repeat(white, 2)) == pytest.approx(np.sqrt(2), rel=0.35)
    assert noise_in_averages(0.1 * np.arange(256.0) ** 2) < 1e-6
    assert noise_in_averages(np.ones(3)) == 0


def test_spikes_are_calmed_and_nothing_else_is():
    falling = np.exp(-np.arange(400) / 80) + (np.arange(400) < 200)
    np.testing.assert_array_equal(calm(falling), falling)
    spiky = falling.copy()
    spiky[[50, 51, 150, 199, 300]] += [3, 1, 5, 2, 0.5]
    np.testing.assert_allclose(calm(spiky), falling, atol=0.05)
    noise = np.random.default_rng(0).normal(size=2000)
    # One in two million is beyond five deviations.
    assert np.mean(calm(noise) != noise) < 0.005
