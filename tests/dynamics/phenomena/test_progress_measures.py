"""Progress measures: a table of sums is its waves, what is remembered is left over, and the mean stays."""

import numpy as np
import pytest

from dyn.dynamics.phenomena.progress_measures import excluded_logits, restricted_logits

P = 11
A, B = np.meshgrid(np.arange(P), np.arange(P), indexing="ij")


def answers(*frequencies: int) -> np.ndarray:
    """Logits Σ_k cos 2πk(a + b - c)/p, c first: those of a network that adds by waves of these frequencies."""
    c = np.arange(P)[:, None, None]
    return sum(np.cos(2 * np.pi * k * (A + B - c) / P) for k in frequencies)


def test_answers_by_key_frequencies_are_kept_whole():
    np.testing.assert_allclose(restricted_logits(3 + answers(2, 5), (2, 5)), 3 + answers(2, 5), atol=1e-12)


def test_answers_by_other_frequencies_are_taken_away():
    np.testing.assert_allclose(restricted_logits(answers(2, 3), (2,)), answers(2), atol=1e-12)


def test_without_its_waves_of_the_sum_nothing_is_left_of_an_answer():
    np.testing.assert_allclose(excluded_logits(answers(2, 5), (2, 5)), 0, atol=1e-12)
    np.testing.assert_allclose(excluded_logits(answers(2, 5), (2,)), answers(5), atol=1e-12)


def test_what_is_no_wave_of_the_sum_stays():
    # A wave of the difference has the same frequency, and is no answer.
    difference = np.cos(2 * np.pi * 2 * (A - B) / P)[None]
    np.testing.assert_allclose(excluded_logits(difference, (2,)), difference, atol=1e-12)
    np.testing.assert_allclose(restricted_logits(difference, (2,)), difference, atol=1e-12)


def test_what_is_remembered_of_single_pairs_mostly_stays():
    remembered = np.random.default_rng(0).normal(size=(P, P, P))
    left = excluded_logits(remembered, (1, 2))
    # Four of the 121 dimensions of each table are taken.
    assert (left**2).sum() / (remembered**2).sum() == pytest.approx(1 - 4 / P**2, abs=0.02)


def test_all_frequencies_are_all_there_is_but_for_products_of_unlike_ones():
    logits = np.random.default_rng(1).normal(size=(P, P))
    once = restricted_logits(logits, range(1, 6))
    np.testing.assert_allclose(restricted_logits(once, range(1, 6)), once, atol=1e-12)


@pytest.mark.parametrize("k", [0, 6, -1])
def test_a_frequency_that_there_is_not_is_named(k):
    for function in (restricted_logits, excluded_logits):
        with pytest.raises(ValueError, match=f"frequency {k} is not one of 1 to 5"):
            function(answers(1), (k,))
