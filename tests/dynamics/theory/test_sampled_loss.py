"""The estimated population loss against the exact one, and whether its standard error is one."""

import numpy as np
import pytest

from dyn.dynamics.theory.population import expected_gradient, expected_loss
from dyn.dynamics.theory.sampled_loss import estimated_loss


def model(n: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    return rng.normal(size=(2, n)), 0.5 * rng.normal(size=n), 0.8 ** np.arange(n)


@pytest.mark.parametrize("p", [0.02, 0.3, 1.0])
def test_errors_are_as_large_as_they_say(p):
    W, b, importance = model()
    exact = expected_loss(W, b, p, importance)
    estimates = [estimated_loss(W, b, p, importance, samples=500, seed=seed)[:2] for seed in range(200)]
    scores = np.array([(loss - exact) / error for loss, error in estimates])
    # Of 200 normal scores the mean square strays from 1 by 0.1 and the mean from 0 by 0.07; five times that may be.
    assert abs(np.mean(scores**2) - 1) < 0.5
    assert abs(scores.mean()) < 0.35


def test_sparse_inputs_leave_hardly_any_error():
    W, b, importance = model()
    estimate = estimated_loss(W, b, 1e-4, importance, samples=1_000)
    # Two features are on with probability 10 p² = 1e-7, and what they lose then is of order one.
    assert 0 < estimate.error < 1e-7
    assert estimate.loss == pytest.approx(expected_loss(W, b, 1e-4, importance), abs=1e-7)


def test_the_gradient_is_that_of_the_population():
    W, b, importance = model()
    exact = expected_gradient(W, b, 0.4, importance)
    estimates = [estimated_loss(W, b, 0.4, importance, samples=500, seed=seed) for seed in range(100)]
    for part, expected in (([each.W for each in estimates], exact.W), ([each.b for each in estimates], exact.b)):
        error = np.std(part, axis=0, ddof=1) / np.sqrt(len(part))
        # Five standard errors of the mean over seeds: one in two million by chance.
        assert (abs(np.mean(part, axis=0) - expected) < 5 * error).all()


def test_the_gradient_is_that_of_its_own_samples():
    W, b, importance = model()
    found = estimated_loss(W, b, 0.4, importance, samples=100)
    steps = 1e-7 * np.eye(len(b))
    above, below = (estimated_loss(W, b + s, 0.4, importance, samples=100).loss for s in (steps, -steps))
    # Central differences lose half their digits to rounding; no sample has its kink within 1e-7.
    np.testing.assert_allclose(found.b, (above - below) / 2e-7, atol=1e-6)


def test_nothing_is_left_to_sample_where_two_features_are_never_on():
    W, b, importance = model()
    silent = estimated_loss(W, b, 0.0, importance)
    assert silent.error == 0
    assert silent.loss == pytest.approx(expected_loss(W, b, 0.0, importance))
    alone = estimated_loss(W[:, :1], b[:1], 0.5, 1)
    assert alone.error == 0
    assert alone.loss == pytest.approx(expected_loss(W[:, :1], b[:1], 0.5, 1))


def test_models_of_one_density_share_their_draws():
    W, b, importance = model()
    densities = np.array([[0.1, 0.5], [0.5, 0.1]])
    together = estimated_loss(np.stack([W, -W]), b, densities, importance, samples=100)
    for index in np.ndindex(2, 2):
        alone = estimated_loss(W, b, densities[index], importance, samples=100)
        # Turning W about is a rotation, which changes the loss by rounding only.
        assert together.loss[index] == pytest.approx(alone.loss, rel=1e-12)
        assert together.error[index] == pytest.approx(alone.error, rel=1e-12)


def test_many_features_in_few_blocks_agree_with_a_known_model():
    # Nothing represented: every feature that is on loses x², so that L = n p / 3 whatever else is on.
    n = 300
    estimate = estimated_loss(np.zeros((3, n)), np.zeros(n), 0.05, 1, samples=8_000)
    assert estimate.loss == pytest.approx(n * 0.05 / 3, abs=5 * estimate.error)


def test_one_sample_has_no_standard_error():
    with pytest.raises(ValueError, match="samples=1 give no standard error; draw two or more"):
        estimated_loss(np.ones((1, 2)), np.zeros(2), 0.5, 1, samples=1)
