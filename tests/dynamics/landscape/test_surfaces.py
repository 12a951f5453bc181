"""Smooth loss surfaces against closed forms, the exact gradient, and sampling."""

import numpy as np
import pytest
import torch

from dyn.dynamics.errors import SettingError
from dyn.dynamics.evaluation import PopulationLoss
from dyn.dynamics.features import FeatureDistribution
from dyn.dynamics.landscape.derivatives import LossPoint
from dyn.dynamics.landscape.surfaces import PopulationSurface, one_hot_loss
from dyn.dynamics.recipe import Experiment
from dyn.dynamics.theory.population import expected_gradient, expected_loss
from dyn.dynamics.theory.sparse_losses import one_sparse_loss

KINDS = {
    "independent": FeatureDistribution(6, 0.3),
    "dense": FeatureDistribution(6, 1.0),
    "correlated": FeatureDistribution(6, 0.3, correlation="correlated", sets=2),
    "anticorrelated": FeatureDistribution(6, 0.3, correlation="anticorrelated", sets=3),
    "one set": FeatureDistribution(6, 0.3, correlation="correlated", sets=1),
}


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    # Tensors this small gain little from a second thread, and lose much where it has to wait.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


WEIGHTS = [0.9**i for i in range(6)]


def parameters(m: int, n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features of length about 1 with biases about 0: kinks lie inside the data on both sides."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(m, n)) / np.sqrt(m), rng.normal(-0.1, 0.2, size=n)


def at(surface, W, b) -> float:
    return LossPoint(surface, (W, b)).loss


@pytest.mark.parametrize("seed", range(5))
def test_one_hot_loss_is_the_one_sparse_loss_over_n(seed):
    W, b = parameters(2, 5, seed)
    importance = np.linspace(0.5, 1.5, 5)
    found = one_hot_loss(torch.tensor(W), torch.tensor(b), torch.tensor(importance))
    # Two ways of integrating the same polynomials.
    assert float(found) == pytest.approx(float(one_sparse_loss(W, b, importance)) / 5, rel=1e-12)


def test_one_hot_gradient_is_that_of_the_loss():
    W, b = (torch.tensor(each, requires_grad=True) for each in parameters(2, 5))
    assert torch.autograd.gradcheck(one_hot_loss, (W, b))
    assert torch.autograd.gradgradcheck(one_hot_loss, (W, b))


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("blur", [0, 0.05])
@pytest.mark.parametrize("kind", KINDS)
def test_the_expansion_has_the_derivatives_of_the_surface(kind, linear, blur):
    surface = PopulationSurface(KINDS[kind], WEIGHTS, linear=linear, blur=blur, size=200)
    W, b = parameters(3, 6)
    whole = LossPoint(lambda W, b: surface(W, b), (W, b))
    expanded = LossPoint(surface, (W, b))
    # The same sums over a few hundred samples in another order.
    assert expanded.loss == pytest.approx(whole.loss, rel=1e-13)
    np.testing.assert_allclose(expanded.gradient, whole.gradient, atol=1e-12)
    np.testing.assert_allclose(expanded.hessian(), whole.hessian(), atol=1e-11)


@pytest.mark.parametrize("p", [0.2, 0.7])
def test_value_and_slope_are_those_of_the_exact_loss(p):
    W, b = parameters(2, 3)
    point = LossPoint(PopulationSurface(FeatureDistribution(3, p), [1.0] * 3, size=20_000), (W, b))
    # Spread samples of a quantity below 1 miss by less than 1/√20000 = 0.7 % of the sampled part.
    exact = expected_gradient(W, b, p, 1.0)
    assert point.loss == pytest.approx(float(expected_loss(W, b, p, 1.0)), rel=0.01)
    np.testing.assert_allclose(point.gradient, np.r_[exact.W.ravel(), exact.b], atol=0.02 * abs(exact.W).max())


def exact_hessian(W: np.ndarray, b: np.ndarray, p: float) -> np.ndarray:
    """Differences of the exact gradient; it is piecewise smooth, and a step of 1e-5 rarely crosses a piece."""
    theta, size = np.r_[W.ravel(), b], W.size

    def gradient(theta: np.ndarray) -> np.ndarray:
        found = expected_gradient(theta[:size].reshape(W.shape), theta[size:], p, 1.0)
        return np.r_[found.W.ravel(), found.b]

    return np.stack([gradient(theta + step) - gradient(theta - step) for step in 1e-5 * np.eye(len(theta))]) / 2e-5


@pytest.mark.parametrize("seed", range(3))
def test_curvature_is_that_of_the_exact_loss(seed):
    p = 0.7
    W, b = parameters(1, 3, seed)
    exact = exact_hessian(W, b, p)
    found = LossPoint(PopulationSurface(FeatureDistribution(3, p), [1.0] * 3, size=20_000), (W, b)).hessian()
    # Where kinks lie inside the data a sample counts a few times its share: 3 % of the greatest curvature.
    np.testing.assert_allclose(found, exact, atol=0.03 * abs(exact).max())


def test_sample_by_sample_the_curvature_of_moving_kinks_is_lost():
    # What the surface is for: the same samples, differentiated one by one, miss a part that no more samples bring back.
    W, b, p = np.array([[1.0, -1.0]]), np.array([-0.1, -0.1]), 0.7
    x = torch.rand(100_000, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = x * (torch.rand(x.shape, generator=torch.Generator().manual_seed(1)) < p)

    def sampled(W: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return (x - ((x @ W.mT) @ W + b).relu()).square().sum(-1).mean()

    exact = exact_hessian(W, b, p)
    surface = PopulationSurface(FeatureDistribution(2, p), [1.0] * 2, size=20_000)
    assert abs(LossPoint(sampled, (W, b)).hessian() - exact).max() > 0.2 * abs(exact).max()
    assert abs(LossPoint(surface, (W, b)).hessian() - exact).max() < 0.02 * abs(exact).max()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("nonlinearity", ["relu", "linear"])
def test_agrees_with_the_recorded_population_loss(kind, nonlinearity):
    features = KINDS[kind]
    entry = Experiment(
        name="x", title="", source="", n_features=6, n_hidden=3, density=features.density, importance="0.9^i",
        correlation=features.correlation, sets=features.sets, nonlinearity=nonlinearity, evaluation_size=20_000,
    )  # fmt: skip
    W, b = parameters(3, 6)
    recorded = PopulationLoss(entry)({"W": W[None].astype(np.float32), "b": b[None].astype(np.float32)})[0]
    # Two estimates from 20 000 spread samples each.
    assert at(PopulationSurface.of(entry), W, b) == pytest.approx(recorded, rel=0.02)


@pytest.mark.parametrize("kind", KINDS)
def test_rotating_hidden_space_changes_nothing(kind):
    surface = PopulationSurface(KINDS[kind], WEIGHTS, size=100)
    W, b = parameters(3, 6)
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3))).Q
    assert at(surface, rotation @ W, b) == pytest.approx(at(surface, W, b), rel=1e-13)


def test_members_have_their_own_density_and_nonlinearity():
    entry = Experiment(
        name="x", title="", source="", n_features=1, n_hidden=1, n_instances=2, density=(1.0, 0.5),
        nonlinearity=("relu", "linear"),
    )  # fmt: skip
    # y = -1 without its ReLU costs E(x + 1)²; with it y = 0, and E x² = 1/3.
    W, b = np.zeros((1, 1)), -np.ones(1)
    assert at(PopulationSurface.of(entry), W, b) == pytest.approx(1 / 3, rel=1e-12)
    assert at(PopulationSurface.of(entry, member=1), W, b) == pytest.approx(0.5 * 7 / 3 + 0.5, rel=1e-12)
    with pytest.raises(SettingError, match="instance=2 is not one of the 2"):
        PopulationSurface.of(entry, member=2)


def test_several_densities_are_refused():
    with pytest.raises(ValueError, match=r"density=\(1.0, 0.5\)"):
        PopulationSurface(FeatureDistribution(2, (1.0, 0.5)), [1, 1])


def test_other_models_are_refused():
    with pytest.raises(ValueError, match="signed=True"):
        PopulationSurface(FeatureDistribution(2, 0.5, signed=True), [1, 1])
    entry = Experiment(name="x", title="", source="", n_features=3, n_hidden=6, model="absolute-value")
    with pytest.raises(SettingError, match="model='absolute-value'"):
        PopulationSurface.of(entry)


def test_blur_is_an_average_over_the_preactivation():
    # The input is silent but for p, and its loss is E ReLU(0.03 + 0.1 u)² = ½ ∫ (0.03 + 0.1 u)² du over [-0.3, 1].
    p = 1e-12
    found = at(PopulationSurface(FeatureDistribution(1, p), [1.0], blur=0.1), np.ones((1, 1)), np.array([0.03]))
    assert found == pytest.approx(0.13**3 / 0.6, rel=1e-9)
