"""Waves of an embedding: a cosine is one wave, noise is all of them, and the mean counts for nothing."""

import numpy as np
import pytest

from dyn.dynamics.phenomena.waves import key_frequencies, wave_power, wave_shares


def test_a_cosine_is_a_single_wave_whatever_its_phase_and_mean():
    p, a = 13, np.arange(13)
    for k in range(1, 7):
        E = 3.0 + 0.7 * np.cos(2 * np.pi * k * a / p + 0.4 * k)
        # A transform of thirteen numbers in double precision.
        np.testing.assert_allclose(wave_shares(E[None]), np.eye(6)[[k - 1]], atol=1e-12)


def test_shares_add_up_to_one_for_each_neuron_of_each_row():
    shares = wave_shares(np.random.default_rng(0).normal(size=(4, 50, 47)))
    assert shares.shape == (4, 50, 23)
    np.testing.assert_allclose(shares.sum(-1), 1)
    # Two hundred neurons of noise: each wave has 1/23 on average, and that mean is off by a fifteenth of it.
    np.testing.assert_allclose(shares.mean((0, 1)), 1 / 23, rtol=0.35)


def test_two_waves_share_by_the_squares_of_their_amplitudes():
    a = np.arange(11)
    E = 3 * np.cos(2 * np.pi * 2 * a / 11) + 4 * np.sin(2 * np.pi * 5 * a / 11)
    np.testing.assert_allclose(wave_shares(E[None])[0, [1, 4]], [9 / 25, 16 / 25])


def test_a_neuron_without_weights_has_no_waves():
    assert (wave_shares(np.zeros((2, 5))) == 0).all()


@pytest.mark.parametrize("shape", [(3, 4), (3, 1), ()])
def test_a_shape_that_cannot_be_is_named(shape):
    with pytest.raises(ValueError, match=r"odd number of columns"):
        wave_shares(np.zeros(shape))


def test_the_powers_and_the_mean_are_the_whole_embedding():
    E = np.random.default_rng(1).normal(size=(3, 8, 13))
    mean = 13 * (E.mean(-1) ** 2).sum(-1)
    # Parseval's theorem, in double precision.
    np.testing.assert_allclose(wave_power(E).sum(-1) + mean, (E**2).sum((-2, -1)))


def test_power_does_not_depend_on_which_dimensions_carry_a_wave():
    rng = np.random.default_rng(2)
    E, rotation = rng.normal(size=(6, 11)), np.linalg.qr(rng.normal(size=(6, 6)))[0]
    np.testing.assert_allclose(wave_power(rotation @ E), wave_power(E))


def test_key_frequencies_are_those_of_waves_in_noise():
    rng, a = np.random.default_rng(3), np.arange(59)
    waves = [np.outer(rng.normal(size=64), np.cos(2 * np.pi * k * a / 59 + 1)) for k in (4, 17, 29)]
    np.testing.assert_array_equal(key_frequencies(sum(waves) + 0.3 * rng.normal(size=(64, 59))), [4, 17, 29])


def test_noise_has_key_frequencies_once_in_a_hundred_times():
    rng = np.random.default_rng(4)
    named = sum(key_frequencies(rng.normal(size=(16, 31))).size > 0 for _ in range(1000))
    # At a rate of 1 %, 25 and more of 1 000 come once in 30 000 times.
    assert named < 25


@pytest.mark.parametrize("shape", [(5,), (2, 4), (2, 3)])
def test_an_embedding_without_frequencies_to_choose_from_is_named(shape):
    with pytest.raises(ValueError, match=r"E must"):
        key_frequencies(np.ones(shape))
