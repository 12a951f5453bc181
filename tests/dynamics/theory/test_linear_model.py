"""The linear model's loss against an exact average over inputs, and its least loss against a search."""

from itertools import product

import numpy as np
import pytest
from scipy.optimize import minimize

from dyn.dynamics.theory.linear_model import feature_variance, least_linear_loss, linear_loss, principal_losses

# A few hundred roundings of double precision.
EXACT = 1e-12


def average(W, b, p, importance) -> float:
    """The loss summed over a discrete distribution with the same first two moments, on which it alone depends."""
    # Zero with probability 1-p, else one of the two Gauss points of [0, 1], exact to degree three.
    points = [(0, 1 - p), (0.5 - 12**-0.5, p / 2), (0.5 + 12**-0.5, p / 2)]
    total = 0.0
    for chosen in product(points, repeat=len(b)):
        x, weights = np.array(chosen).T
        total += weights.prod() * (importance * (x - W.T @ W @ x - b) ** 2).sum()
    return total


@pytest.mark.parametrize("seed", range(4))
def test_the_loss_is_that_of_an_average_over_inputs(seed):
    rng = np.random.default_rng(seed)
    W, b, p, importance = rng.normal(size=(2, 4)), rng.normal(size=4), rng.random(), rng.random(4)
    assert linear_loss(W, b, p, importance) == pytest.approx(average(W, b, p, importance), rel=EXACT)


@pytest.mark.parametrize("p", [0.0, 0.1, 1.0])
def test_an_ignored_feature_costs_its_variance(p):
    W = np.array([[1.0, 0, 0], [0, 1, 0]])
    assert linear_loss(W, [0, 0, p / 2], p, [1, 1, 5]) == pytest.approx(5 * (p / 3 - p**2 / 4), abs=EXACT)


def test_principal_losses_add_up_at_the_best_bias():
    rng = np.random.default_rng(0)
    W, p = rng.normal(size=(6, 2, 5)), rng.random(6)
    best_bias = p[:, None] / 2 * (1 - (W.mT @ W).sum(-1))
    losses = principal_losses(W, p)
    np.testing.assert_allclose(losses.sum(-1), linear_loss(W, best_bias, p, 1), rtol=EXACT)
    # Three of five directions are ignored by any W of rank two, and stand last.
    np.testing.assert_allclose(losses[:, 2:], np.tile(feature_variance(p)[:, None], 3), rtol=EXACT)


@pytest.mark.parametrize("seed", range(3))
def test_no_search_finds_less_than_the_least_loss(seed):
    rng = np.random.default_rng(seed)
    m, n, p, importance = 2, 4, 0.4, rng.permutation([1.0, 0.8, 0.5, 0.3])

    def loss(point):
        return linear_loss(point[: m * n].reshape(m, n), point[m * n :], p, importance)

    found = min(minimize(loss, rng.normal(size=m * n + n)).fun for _ in range(5))
    least = least_linear_loss(m, p, importance)
    assert least == pytest.approx((p / 3 - p**2 / 4) * 0.8, rel=EXACT)
    # The search ends where its finite-difference gradient falls to 1e-5, so that the loss is within 1e-8.
    assert found == pytest.approx(least, abs=1e-8)


def test_with_a_dimension_for_every_feature_nothing_is_lost():
    assert least_linear_loss(5, 0.3, [1, 2, 3]) == 0


def test_importance_must_be_given_for_each_feature():
    with pytest.raises(ValueError, match=r"importance=1\.0 must be given for each feature"):
        least_linear_loss(2, 0.3, 1)
