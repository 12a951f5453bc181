"""Shapes that stay when all singular values are alike: those that were planted, and none of crowded directions."""

import numpy as np
import pytest

from dyn.dynamics.chance import judge
from dyn.dynamics.chance.anisotropy import lasting, whitened


def test_whitening_makes_singular_values_alike_and_leaves_out_noise():
    W = np.random.default_rng(0).normal(size=(5, 9)) * np.array([10, 5, 4, 3, 1e-3])[:, None]
    assert np.linalg.svd(whitened(W), compute_uv=False) == pytest.approx([1, 1, 1, 1, 0], abs=1e-12)


def test_regular_shapes_with_dimensions_of_their_own_last():
    rng = np.random.default_rng(0)
    W, angle = np.zeros((6, 15)), np.arange(5) * 2 * np.pi / 5
    for k in range(3):
        W[2 * k : 2 * k + 2, 5 * k : 5 * k + 5] = (1 + k) * np.array([np.cos(angle), np.sin(angle)])
    W += 0.02 * rng.normal(size=W.shape)
    named = judge(W).shaped
    assert [part.name for part in named] == ["pentagon"] * 3
    assert lasting(W, named, 1.0) == named


@pytest.mark.parametrize("seed", range(4))
def test_what_crowds_in_a_few_directions_at_random_does_not_last(seed):
    rng = np.random.default_rng(seed)
    # As in the first layer of a perceptron: an effective rank of 28 of 48.
    W = rng.normal(size=(48, 64)) * np.exp(-np.arange(48) / 8)[:, None]
    named = judge(W).shaped
    assert named
    assert lasting(W, named, 1.0) == []
