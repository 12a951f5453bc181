"""What neurons are for, planted."""

import numpy as np
import pytest

from dyn.dynamics.phenomena.absolute_value import neuron_purity, neurons_per_sign


def test_purity():
    W1 = np.array([[0, -2, 0, 0], [1, -1, 1, 1], [3, 0, 4, 0], [0, 0, 0, 0]])
    np.testing.assert_allclose(neuron_purity(W1), [1, 1 / 4, 16 / 25, 0])


def test_one_neuron_for_each_sign():
    W1 = np.concatenate([np.eye(3), -2 * np.eye(3)])
    np.testing.assert_array_equal(neurons_per_sign(W1), np.ones((3, 2)))


def test_mixed_and_idle_neurons_count_for_nothing():
    W1 = np.array([[2.0, 0.0], [1.0, -1.0], [0.0, 1e-3], [-1.0, 0.1], [0.0, 0.0]])
    np.testing.assert_array_equal(neurons_per_sign(W1), [[1, 1], [0, 0]])
    # The second neuron has the purity 1/2.
    np.testing.assert_array_equal(neurons_per_sign(W1, purity=0.5), [[1, 2], [1, 0]])


def test_leading_axes_are_batched():
    W1 = np.random.default_rng(0).normal(size=(2, 3, 6, 4))
    assert neuron_purity(W1).shape == (2, 3, 6)
    assert neurons_per_sign(W1).shape == (2, 3, 4, 2)
    np.testing.assert_array_equal(neurons_per_sign(W1)[1, 2], neurons_per_sign(W1[1, 2]))


def test_a_matrix_is_needed():
    with pytest.raises(ValueError, match="W1 must have shape"):
        neuron_purity(np.ones(3))
