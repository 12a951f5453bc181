"""Waves of neurons: a cosine is one wave, noise is all of them, and the mean counts for nothing."""

import numpy as np
import pytest

from dyn.dynamics.phenomena.waves import wave_shares


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
