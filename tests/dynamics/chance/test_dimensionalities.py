"""The dimensionality of directions at random: its mean, its scatter, and bounds of its tails."""

import math

import numpy as np
import pytest

from dyn.dynamics.chance import expected, log_chance_of_all, log_chances, scatter
from dyn.dynamics.geometry import measure


def drawn(m: int, norm: np.ndarray, draws: int, seed: int = 0) -> np.ndarray:
    """Return D of random directions of these lengths, (draws, n)."""
    W = np.random.default_rng(seed).normal(size=(draws, m, len(norm)))
    return measure(W / np.linalg.norm(W, axis=1, keepdims=True) * norm).dimensionality


@pytest.mark.parametrize(("m", "n", "median"), [(64, 64, 0.507), (64, 96, 0.399), (128, 64, 0.67)])
def test_the_shape_of_a_layer_puts_random_directions_where_levels_are(m, n, median):
    assert expected(np.ones(n), m)[0] == pytest.approx(m / (m + n - 1))
    assert np.median(drawn(m, np.ones(n), 50)) == pytest.approx(median, abs=0.01)
    assert expected(np.ones(n), m)[0] == pytest.approx(median, abs=0.01)


@pytest.mark.parametrize(("m", "n"), [(64, 64), (16, 40)])
def test_mean_and_scatter_for_unequal_lengths(m, n):
    norm = np.exp(0.4 * np.random.default_rng(1).normal(size=n))
    D = drawn(m, norm, 3000)
    np.testing.assert_allclose(D.mean(0), expected(norm, m), rtol=0.1)
    np.testing.assert_allclose(D.std(0), scatter(norm, m), rtol=0.2)


@pytest.mark.parametrize(("m", "n"), [(5, 12), (16, 16), (64, 32), (8, 100)])
def test_the_bound_of_a_tail_is_never_too_small(m, n):
    norm = np.exp(0.4 * np.random.default_rng(2).normal(size=n))
    chances = np.concatenate([log_chances(D, norm, m) for D in drawn(m, norm, 2000)])
    for share in (0.1, 0.01, 0.001):
        # Of both sides.
        assert (chances <= math.log(share)).mean() <= 2 * share


@pytest.mark.parametrize(("m", "n"), [(3, 6), (5, 12), (16, 16), (64, 32), (4, 80)])
def test_how_evenly_space_is_shared_has_about_the_law_it_should(m, n):
    chances = np.array([log_chance_of_all(D, np.ones(n), m) for D in drawn(m, np.ones(n), 4000)])
    for share in (0.1, 0.01):
        assert (chances <= math.log(share)).mean() <= share
    # It is no more careful than by the factor that it says.
    assert (chances <= math.log(0.4)).mean() >= 0.03


def test_a_tight_frame_is_beyond_chance_and_so_are_features_in_a_plane():
    angles = 2 * np.pi * np.arange(9) / 9
    plane = np.stack([np.cos(angles), np.sin(angles), *np.zeros((4, 9))])
    D, norm, _ = measure(plane)
    assert log_chance_of_all(D, norm, 6) < math.log(1e-4)
    rows = np.linalg.qr(np.random.default_rng(5).normal(size=(12, 5)))[0].T
    D, norm, _ = measure(rows / np.linalg.norm(rows, axis=0))
    assert log_chance_of_all(D, norm, 5) < math.log(0.01)


def test_what_has_no_length_has_no_chance_to_tell():
    norm = np.array([1.0, 1.0, 0.0])
    assert expected(norm, 4)[2] == 0
    assert log_chances(np.array([0.5, 0.5, 0.0]), norm, 4)[2] == 0
    assert log_chances(np.zeros(3), np.zeros(3), 4).tolist() == [0, 0, 0]
