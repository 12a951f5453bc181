"""The population loss against closed forms."""

import numpy as np
import pytest

from dyn.dynamics.experiments import Experiment
from dyn.dynamics.training.evaluation import PopulationLoss

# The fixed batch has this many active samples; an error of the loss x² on [0, 1] has a standard deviation below 0.3,
# so that the standard error of every figure here is below 0.3 / √SIZE = 0.0012 for each feature of importance one.
SIZE = 60_000
TOLERANCE = 5 * 0.3 / np.sqrt(SIZE)


def experiment(n_features: int, n_hidden: int, **settings) -> Experiment:
    entry = Experiment(name="x", title="", source="", n_features=n_features, n_hidden=n_hidden, evaluation_size=SIZE)
    return entry.with_settings(**settings)


def loss_at(entry: Experiment, W, b) -> np.ndarray:
    """The population loss of one row."""
    return PopulationLoss(entry)({"W": np.array([W], np.float32), "b": np.array([b], np.float32)})[0]


@pytest.mark.parametrize("p", [1.0, 0.3, 0.01])
@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_nothing_learned(p, reduction):
    # y = 0, so the loss is Σ I_i E[x²] = Σ I_i p/3.
    entry = experiment(3, 2, density=p, importance="0.5^i", reduction=reduction)
    expected = 1.75 * p / 3 / (3 if reduction == "mean" else 1)
    assert loss_at(entry, np.zeros((2, 3)), np.zeros(3)) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("p", [1.0, 0.3, 0.01])
def test_an_ignored_feature_is_its_mean(p):
    # y = p/2, so the loss is the variance of x: p/3 - p²/4.
    assert loss_at(experiment(1, 1, density=p), [[0]], [p / 2]) == pytest.approx(p / 3 - p**2 / 4, rel=0.02)


@pytest.mark.parametrize("correlation", ["independent", "correlated", "anticorrelated"])
def test_the_identity_loses_nothing(correlation):
    entry = experiment(4, 4, density=0.3, correlation=correlation, sets=2)
    assert loss_at(entry, np.eye(4), np.zeros(4)) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("p", [0.9, 0.3, 0.02])
def test_an_antipodal_pair(p):
    # Only where both are on, p², is anything lost: y = (ReLU(x₁ - x₂), ReLU(x₂ - x₁)) misses by min(x₁, x₂) twice,
    # and E[min²] = ∫ 2(1 - u) u² du = 1/6.
    assert loss_at(experiment(2, 1, density=p), [[1, -1]], [0, 0]) == pytest.approx(p**2 / 3, rel=0.02, abs=1e-5)


def test_correlated_features_in_a_pair_always_collide():
    # On together with probability p, and never apart.
    entry = experiment(2, 1, density=0.2, correlation="correlated", sets=1)
    assert loss_at(entry, [[1, -1]], [0, 0]) == pytest.approx(0.2 / 3, rel=0.02)


def test_anticorrelated_features_in_a_pair_never_collide():
    entry = experiment(2, 1, density=0.2, correlation="anticorrelated", sets=1)
    assert loss_at(entry, [[1, -1]], [0, 0]) == pytest.approx(0, abs=1e-12)


def test_the_linear_model_has_negative_outputs():
    # y = -1 whatever x: (x + 1)² has the mean p E[(x+1)²] + (1 - p) = p · 7/3 + 1 - p; a ReLU would give p/3.
    entry = experiment(1, 1, density=0.5, nonlinearity="linear")
    assert loss_at(entry, [[0]], [-1]) == pytest.approx(0.5 * 7 / 3 + 0.5, abs=2 * TOLERANCE)


@pytest.mark.parametrize("p", [1e-3, 1e-6])
def test_the_silent_input_is_exact(p):
    # Nearly all data are silent, and each costs b² = 0.04; to 1 % of p would be luck if silence were sampled.
    loss = loss_at(experiment(1, 1, density=p), [[0]], [0.2])
    active = 1 / 3 - 0.2 + 0.04
    assert loss == pytest.approx((1 - p) * 0.04 + p * active, abs=0.01 * p + 1e-8)


def test_each_instance_has_its_own_density_and_nonlinearity():
    p = np.array([1.0, 0.5, 0.1])
    entry = experiment(1, 1, density=tuple(p), nonlinearity=("relu", "linear", "relu"))
    loss = loss_at(entry, np.zeros((3, 1, 1)), -np.ones((3, 1)))
    assert loss.shape == (3,)
    np.testing.assert_allclose(loss, [1 / 3, 0.5 * 7 / 3 + 0.5, 0.1 / 3], atol=2 * TOLERANCE)


@pytest.mark.parametrize("n_instances", [None, 1, 2])
def test_rows_are_evaluated_on_the_same_samples(n_instances):
    entry = experiment(3, 2, density=0.5, n_instances=n_instances, evaluation_size=64)
    lead = (n_instances,) if n_instances else ()
    W = np.random.default_rng(0).normal(size=(5, *lead, 2, 3)).astype(np.float32)
    W[3] = W[1]
    b = np.zeros((5, *lead, 3), np.float32)
    loss = PopulationLoss(entry)({"W": W, "b": b})
    assert (loss.shape, loss.dtype) == ((5, *lead), np.float64)
    assert (loss[3] == loss[1]).all()
    assert (loss[0] != loss[1]).all()
    np.testing.assert_array_equal(PopulationLoss(entry)({"W": W[:2], "b": b[:2]}), loss[:2])


def test_the_description_says_which_samples():
    description = PopulationLoss(experiment(3, 2, evaluation_size=64)).description
    assert "64 active samples" in description
    assert "zero input exact" in description


def test_models_of_one_point_are_evaluated_on_the_same_samples():
    grid = {"density": (0.2, 0.6), "importance_extra": (0.5, 4.0), "repeat": 3, "evaluation_size": 64}
    rng = np.random.default_rng(0)
    W, b = rng.normal(size=(2, 3)), rng.normal(size=3)
    loss = loss_at(experiment(3, 2, **grid), [W] * 12, [b] * 12).reshape(4, 3)
    np.testing.assert_array_equal(loss, loss[:, :1].repeat(3, axis=1))
    assert len(np.unique(loss)) == 4


def test_repeats_of_a_single_setting_are_evaluated_on_the_same_samples():
    loss = loss_at(experiment(2, 1, density=0.3, repeat=3, evaluation_size=64), [[[1, -1]]] * 3, [[0, 0]] * 3)
    assert (loss == loss[0]).all()


def test_the_absolute_value_model_is_held_to_absolute_values():
    entry = experiment(2, 4, model="absolute-value", density=0.3)
    right = np.array([[1, 0], [-1, 0], [0, 1], [0, -1]], np.float32)
    parameters = {"W1": right, "W2": abs(right).T, "b": np.zeros(2, np.float32)}
    found = PopulationLoss(entry)({name: np.stack([value, 0 * value]) for name, value in parameters.items()})
    # One neuron for each sign loses nothing; y = 0 loses Σ E[x²] = 2 · p/3.
    assert found[0] == pytest.approx(0, abs=1e-12)
    assert found[1] == pytest.approx(0.2, rel=0.02)
