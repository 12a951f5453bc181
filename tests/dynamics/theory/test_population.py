"""The population loss and its gradient against quadrature, Monte Carlo, autograd and hand-made models."""

from itertools import combinations, pairwise, product

import numpy as np
import pytest
import torch
from scipy.integrate import fixed_quad

from dyn.dynamics.theory.population import EXACT_FEATURES, expected_gradient, expected_loss
from dyn.dynamics.theory.sampled_loss import estimated_loss
from dyn.dynamics.theory.sparse_losses import one_sparse_loss, zero_sparse_loss

# A few hundred roundings of double precision, of losses of order one.
EXACT = 1e-13


def model(seed: int, m: int, n: int) -> tuple[np.ndarray, np.ndarray, float, np.ndarray]:
    """W, b, p and I at random: biases of either sign, so that every output is cut on some support."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(m, n)), 0.5 * rng.normal(size=n), rng.random(), rng.random(n)


def integral(f, slopes: list[float], offset: float, x: list[float]) -> float:
    """∫ f(x) over one more coordinate for each slope, of an f that is a polynomial on either side of z = 0.

    z = offset + slopes · coordinates. Along each coordinate the range is cut where z can be 0 at a corner of the rest;
    between two cuts five Gauss points are exact to degree nine, and f with what was integrated before has at most six.
    """
    if not slopes:
        return f(np.array(x))
    a, rest = slopes[0], slopes[1:]
    corners = [offset + sum(chosen) for r in range(len(rest) + 1) for chosen in combinations(rest, r)]
    cuts = [-z / a for z in corners if a and 0 < -z / a < 1]
    edges = [0, *sorted(cuts), 1]

    def along(values):
        return np.array([integral(f, rest, offset + a * value, [*x, value]) for value in values])

    return sum(fixed_quad(along, low, high, n=5)[0] for low, high in pairwise(edges))


def quadrature(W, b, p, importance) -> float:
    """The population loss, output by output and support by support."""
    n = len(b)
    G = W.T @ W
    total = 0.0
    for i, on in product(range(n), product([0, 1], repeat=n)):
        support = np.flatnonzero(on)

        def error(values, i=i, support=support):
            x = np.zeros(n)
            x[support] = values
            return (x[i] - max(G[i] @ x + b[i], 0)) ** 2

        weight = p ** sum(on) * (1 - p) ** (n - sum(on))
        total += importance[i] * weight * integral(error, list(G[i, support]), b[i], [])
    return total


def silenced(W):
    """The same with a feature that is not represented."""
    return W * (np.arange(W.shape[1]) > 0)


def faint(W):
    """The same with one feature of size 1e-9, on which closed forms that divide by slopes have no digits left."""
    return W * np.where(np.arange(W.shape[1]) > 0, 1, 1e-9)


@pytest.mark.parametrize("change", [np.asarray, silenced, faint], ids=["random", "zero column", "tiny column"])
@pytest.mark.parametrize(("m", "n"), [(1, 2), (2, 2), (2, 3)])
@pytest.mark.parametrize("seed", range(3))
def test_the_loss_agrees_with_quadrature(seed, m, n, change):
    W, b, p, importance = model(seed, m, n)
    W = change(W)
    assert expected_loss(W, b, p, importance) == pytest.approx(quadrature(W, b, p, importance), abs=1e-10)


def test_the_loss_agrees_with_quadrature_at_a_bias_of_zero():
    # All kinks pass through the origin, which is how models start out and often end.
    W, b, p, importance = model(0, 2, 3)
    assert expected_loss(W, 0 * b, p, importance) == pytest.approx(quadrature(W, 0 * b, p, importance), abs=1e-10)


def samples(p: float, n: int, size: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.random((size, n)) * (rng.random((size, n)) < p)


@pytest.mark.parametrize(("m", "n"), [(1, 2), (2, 3), (2, 5), (3, 6), (3, 8)])
@pytest.mark.parametrize("seed", range(3))
def test_the_loss_agrees_with_monte_carlo(seed, m, n):
    W, b, p, importance = model(seed, m, n)
    x = samples(p, n, 100_000, seed)
    losses = (x - np.maximum(x @ W.T @ W + b, 0)) ** 2 @ importance
    # Five standard errors: one in two million by chance.
    error = losses.std() / np.sqrt(len(losses))
    assert abs(expected_loss(W, b, p, importance) - losses.mean()) < 5 * error


@pytest.mark.parametrize("p", [0.0, 0.001, 0.3, 1.0])
@pytest.mark.parametrize("n", [2, 3, 6])
def test_known_models(n, p):
    importance = 0.5 ** np.arange(n)
    total = importance.sum()
    zero, one = np.zeros(n), np.ones(n)
    # Everything represented loses nothing; nothing represented loses E x² = p/3, or its variance at the best bias.
    assert expected_loss(np.eye(n), zero, p, importance) == pytest.approx(0, abs=EXACT)
    assert expected_loss(0 * np.eye(n), zero, p, importance) == pytest.approx(total * p / 3, abs=EXACT)
    variance = p / 3 - p**2 / 4
    assert expected_loss(0 * np.eye(n), p / 2 * one, p, importance) == pytest.approx(total * variance, abs=EXACT)
    # W^T W = 4 reads every feature three times too large; a bias of 2 on top adds E (3x + 2)².
    assert expected_loss(2 * np.eye(n), zero, p, importance) == pytest.approx(total * 9 * p / 3, abs=EXACT)
    assert expected_loss(2 * np.eye(n), 2 * one, p, importance) == pytest.approx(total * (3 * p + 6 * p + 4), abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_the_sparsest_terms_of_its_expansion_are_the_zero_and_one_sparse_losses(seed):
    W, b, _, importance = model(seed, 2, 3)
    # L(p) is a polynomial of degree n in p: its value and its slope at 0 are L_0 and L_1 - n L_0.
    p = np.linspace(0, 1, 4)
    coefficients = np.linalg.solve(np.vander(p, increasing=True), expected_loss(W, b, p, importance))
    L_0, L_1 = zero_sparse_loss(b, importance), one_sparse_loss(W, b, importance)
    # Solving for the coefficients multiplies roundings by about 100.
    np.testing.assert_allclose(coefficients[:2], [L_0, L_1 - 3 * L_0], atol=1e-11)


@pytest.mark.parametrize(("m", "n"), [(1, 2), (2, 3), (3, 5)])
@pytest.mark.parametrize("seed", range(3))
def test_the_gradient_is_that_of_finite_differences(seed, m, n):
    W, b, p, importance = model(seed, m, n)
    gradient = expected_gradient(W, b, p, importance)
    steps = 1e-5 * np.eye(W.size + n)
    trials = np.concatenate([np.r_[W.ravel(), b] + steps, np.r_[W.ravel(), b] - steps])
    above, below = np.split(expected_loss(trials[:, : W.size].reshape(-1, m, n), trials[:, W.size :], p, importance), 2)
    # Central differences err by h² f'''/6 and by the rounding of f over h: both below 1e-8.
    np.testing.assert_allclose(np.r_[gradient.W.ravel(), gradient.b], (above - below) / 2e-5, atol=1e-8)


@pytest.mark.parametrize(("m", "n"), [(1, 2), (2, 3)])
def test_the_gradient_agrees_with_autograd_on_samples(m, n):
    W, b, p, importance = model(7, m, n)
    # With positive biases every output is active somewhere.
    b = abs(b)
    W_, b_ = torch.tensor(W, requires_grad=True), torch.tensor(b, requires_grad=True)
    drawn = []
    for batch in range(50):
        x = torch.from_numpy(samples(p, n, 2_000, batch))
        loss = ((x - (x @ W_.T @ W_ + b_).relu()) ** 2 @ torch.from_numpy(importance)).mean()
        drawn.append(torch.cat([part.flatten() for part in torch.autograd.grad(loss, (W_, b_))]).numpy())
    gradient = expected_gradient(W, b, p, importance)
    # Six standard errors, these being themselves known to 10 % from fifty batches.
    error = np.std(drawn, axis=0, ddof=1) / np.sqrt(len(drawn))
    difference = np.r_[gradient.W.ravel(), gradient.b] - np.mean(drawn, axis=0)
    assert (abs(difference) < 6 * error).all()


def test_leading_axes_are_batched_over():
    rng = np.random.default_rng(0)
    W, b, p, importance = rng.normal(size=(5, 4, 2, 3)), rng.normal(size=(4, 3)), rng.random((5, 1)), rng.random(3)
    found = expected_gradient(W, b, p, importance)
    assert (found.loss.shape, found.W.shape, found.b.shape) == ((5, 4), (5, 4, 2, 3), (5, 4, 3))
    for i, j in np.ndindex(5, 4):
        one = expected_gradient(W[i, j], b[j], p[i, 0], importance)
        for part, expected in zip(found, one, strict=True):
            np.testing.assert_allclose(part[i, j], expected, atol=EXACT)


def test_rotating_hidden_space_changes_nothing():
    W, b, p, importance = model(0, 3, 5)
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3))).Q
    found, turned = expected_gradient(W, b, p, importance), expected_gradient(rotation @ W, b, p, importance)
    assert turned.loss == pytest.approx(found.loss, abs=EXACT)
    np.testing.assert_allclose(turned.W, rotation @ found.W, atol=EXACT)


def test_many_features_are_estimated():
    W, b, p, importance = model(0, 4, EXACT_FEATURES + 1)
    estimate, found = estimated_loss(W, b, p, importance), expected_gradient(W, b, p, importance)
    assert expected_loss(W, b, p, importance) == estimate.loss == found.loss
    np.testing.assert_array_equal(found.W, estimate.W)
    np.testing.assert_array_equal(found.b, estimate.b)


@pytest.mark.parametrize("density", [-0.1, 1.5, np.nan, [0.5, 2]])
def test_a_density_that_is_no_probability_is_named(density):
    with pytest.raises(ValueError, match=r"density=(-0\.1|1\.5|nan|2) is not in \[0, 1\]"):
        expected_loss(np.ones((1, 2)), np.zeros(2), density, 1)
