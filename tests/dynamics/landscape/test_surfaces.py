"""Smooth loss surfaces against the exact loss and its gradient, closed forms, and sampling."""

import numpy as np
import pytest
import torch

from dyn.dynamics.errors import SettingError
from dyn.dynamics.experiments.experiment import Experiment
from dyn.dynamics.landscape.derivatives import LossPoint, shifted
from dyn.dynamics.landscape.surfaces import PopulationSurface, one_hot_loss
from dyn.dynamics.theory.linear_model import linear_loss
from dyn.dynamics.theory.population import expected_gradient, expected_loss
from dyn.dynamics.theory.sparse_losses import one_sparse_loss
from dyn.dynamics.training.evaluation import PopulationLoss
from dyn.dynamics.training.feature_data import FeatureDistribution

pytestmark = pytest.mark.usefixtures("one_thread")

KINDS = {
    "independent": FeatureDistribution(6, 0.3),
    "dense": FeatureDistribution(6, 1.0),
    "correlated": FeatureDistribution(6, 0.3, correlation="correlated", sets=2),
    "anticorrelated": FeatureDistribution(6, 0.3, correlation="anticorrelated", sets=3),
    "one set": FeatureDistribution(6, 0.3, correlation="correlated", sets=1),
    "one-hot": FeatureDistribution(6, 1.0, correlation="anticorrelated", sets=1),
}
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


# The jitter of each output shifts its own bias, so that the surface is the exact loss averaged over one shift of all.
BLUR = 0.05
SHIFTS = np.linspace(-6, 6, 241)
CHANCES = np.exp(-(SHIFTS**2) / 2) / np.exp(-(SHIFTS**2) / 2).sum()


@pytest.mark.parametrize("p", [0.2, 0.7, 1.0])
def test_value_and_slope_are_those_of_the_exact_loss(p):
    W, b = parameters(2, 3)
    importance = [1.0, 0.7, 1.5]
    point = LossPoint(PopulationSurface(FeatureDistribution(3, p), importance, blur=BLUR), (W, b))
    biases = [b + BLUR * shift for shift in SHIFTS]
    exact = [expected_gradient(W, each, p, np.array(importance)) for each in biases]
    value = CHANCES @ [float(expected_loss(W, each, p, np.array(importance))) for each in biases]
    slope = CHANCES @ [np.r_[each.W.ravel(), each.b] for each in exact]
    # Steps of 0.0025 in the bias across kinks, where the curvature of the loss jumps by about 2: up to 0.0025² / 8.
    assert point.loss == pytest.approx(value, abs=1e-6)
    np.testing.assert_allclose(point.gradient, slope, atol=1e-5)


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_derivatives_are_those_of_the_value(kind, linear):
    surface = PopulationSurface(KINDS[kind], WEIGHTS, linear=linear)
    start = parameters(3, 6)
    here = LossPoint(surface, start)
    # Along a few lines in all 24 dimensions. At a step of 1e-5, with a loss that changes over the blur of 0.01,
    # differences are exact to (1e-5 / 0.01)².
    lines = np.random.default_rng(2).normal(size=(4, 24)) / np.sqrt(24)
    for line in lines:
        ahead, behind = (LossPoint(surface, shifted(start, sign * 1e-5 * line)) for sign in (1, -1))
        assert here.gradient @ line == pytest.approx((ahead.loss - behind.loss) / 2e-5, abs=1e-6)
        np.testing.assert_allclose(here.product(line), (ahead.gradient - behind.gradient) / 2e-5, atol=1e-5)


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_the_value_is_the_mean_over_samples(kind, linear):
    W, b = parameters(3, 6)
    x = KINDS[kind].sample((200_000,), torch.Generator().manual_seed(0)).double().numpy()
    z = x @ W.T @ W + b
    jitter = BLUR * np.random.default_rng(0).normal(size=x.shape)
    losses = np.square(x - (z if linear else np.maximum(z + jitter, 0))) @ WEIGHTS
    found = at(PopulationSurface(KINDS[kind], WEIGHTS, linear=linear, blur=BLUR), W, b)
    # Five standard errors.
    assert found == pytest.approx(losses.mean(), abs=5 * losses.std() / np.sqrt(len(x)))


def silence(b: torch.Tensor) -> torch.Tensor:
    """What all outputs lose while every feature is off, Σ w E ReLU(b + βε)², by the moments of a cut normal."""
    tail, density = torch.special.ndtr(b / BLUR), torch.exp(-((b / BLUR) ** 2) / 2) / np.sqrt(2 * np.pi)
    return ((b**2 + BLUR**2) * tail + b * BLUR * density) @ torch.tensor(WEIGHTS, dtype=b.dtype)


@pytest.mark.parametrize(("correlation", "while_on"), [("correlated", "dense"), ("anticorrelated", "one-hot")])
def test_one_set_is_on_or_off(correlation, while_on):
    p = 0.3
    surface = PopulationSurface(FeatureDistribution(6, p, correlation, sets=1), WEIGHTS, blur=BLUR)
    on = PopulationSurface(KINDS[while_on], WEIGHTS, blur=BLUR)
    found = LossPoint(surface, parameters(3, 6))
    mixed = LossPoint(lambda W, b: p * on(W, b) + (1 - p) * silence(b), parameters(3, 6))
    # The integrals are exact to about ten digits.
    assert found.loss == pytest.approx(mixed.loss, rel=1e-9)
    np.testing.assert_allclose(found.gradient, mixed.gradient, atol=1e-9)
    np.testing.assert_allclose(found.hessian(), mixed.hessian(), atol=1e-8)


@pytest.mark.parametrize("correlation", ["correlated", "anticorrelated"])
def test_sets_at_right_angles_do_not_see_each_other(correlation):
    sets = [parameters(2, 3, seed) for seed in range(2)]
    W, b = np.kron(np.eye(2), np.ones((2, 3))), np.concatenate([b for _, b in sets])
    W[:2, :3], W[2:, 3:] = sets[0][0], sets[1][0]
    both = PopulationSurface(FeatureDistribution(6, 0.3, correlation, sets=2), [1.0] * 6)
    one = PopulationSurface(FeatureDistribution(3, 0.3, correlation, sets=1), [1.0] * 3)
    assert at(both, W, b) == pytest.approx(sum(at(one, *each) for each in sets), rel=1e-9)


@pytest.mark.parametrize("p", [0.1, 1.0])
def test_the_linear_loss_is_that_of_the_linear_model(p):
    W, b = parameters(3, 6)
    found = at(PopulationSurface(FeatureDistribution(6, p), WEIGHTS, linear=True), W, b)
    assert found == pytest.approx(float(linear_loss(W, b, p, np.array(WEIGHTS))), rel=1e-12)


def test_one_hot_data_have_the_one_hot_loss():
    W, b = parameters(3, 6)
    found = at(PopulationSurface(KINDS["one-hot"], WEIGHTS, blur=1e-3), W, b)
    exact = one_hot_loss(torch.tensor(W), torch.tensor(b), torch.tensor(WEIGHTS))
    # The blur adds up to β² for each of the six outputs.
    assert found == pytest.approx(float(exact), abs=6e-6)


def test_features_that_are_hardly_there_keep_their_digits():
    # Of the last feature only b = p/2 is left, at the cost p/3 - p²/4 of its variance: the closed form of one ignored.
    p, W = 0.2, np.array([[1.0, 1e-9]])
    with_it = at(PopulationSurface(FeatureDistribution(2, p), [0.0, 1.0], blur=1e-4), W, np.array([0.0, p / 2]))
    # The blur costs β².
    assert with_it == pytest.approx(p / 3 - p**2 / 4 + 1e-8, abs=1e-9)


def test_sample_by_sample_the_curvature_of_moving_kinks_is_lost():
    # What the surface is for: the same loss, differentiated sample by sample, misses a part that no samples bring back.
    W, b, p = np.array([[1.0, -1.0]]), np.array([-0.1, -0.1]), 0.7
    x = torch.rand(100_000, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = x * (torch.rand(x.shape, generator=torch.Generator().manual_seed(1)) < p)

    def sampled(W: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return (x - ((x @ W.mT) @ W + b).relu()).square().sum(-1).mean()

    surface = PopulationSurface(FeatureDistribution(2, p), [1.0] * 2)
    exact = LossPoint(surface, (W, b)).hessian()
    assert abs(LossPoint(sampled, (W, b)).hessian() - exact).max() > 0.2 * abs(exact).max()


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
    # An estimate from 20 000 spread samples.
    assert at(PopulationSurface.of(entry), W, b) == pytest.approx(recorded, rel=0.02)


@pytest.mark.parametrize("kind", KINDS)
def test_its_symmetries_are_exact(kind):
    surface = PopulationSurface(KINDS[kind], [1.0] * 6)
    W, b = parameters(3, 6)
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3))).Q
    # The first two features share a set in all of these.
    order = [1, 0, 2, 3, 4, 5]
    # What the inverse transform adds up grows with e^{σz} and then cancels, by which it loses a few digits.
    for other in ((rotation @ W, b), (W[:, order], b[order])):
        assert at(surface, *other) == pytest.approx(at(surface, W, b), rel=1e-10)


def test_it_is_called_like_any_loss():
    surface = PopulationSurface(KINDS["independent"], WEIGHTS)
    called, expanded = (LossPoint(each, parameters(3, 6)) for each in (lambda W, b: surface(W, b), surface))
    assert called.loss == expanded.loss
    np.testing.assert_array_equal(called.hessian(), expanded.hessian())


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


def test_what_has_no_such_surface_is_refused():
    with pytest.raises(ValueError, match=r"density=\(1.0, 0.5\)"):
        PopulationSurface(FeatureDistribution(2, (1.0, 0.5)), [1, 1])
    with pytest.raises(ValueError, match="signed=True"):
        PopulationSurface(FeatureDistribution(2, 0.5, signed=True), [1, 1])
    with pytest.raises(ValueError, match="blur=0"):
        PopulationSurface(FeatureDistribution(2, 0.5), [1, 1], blur=0)
    entry = Experiment(name="x", title="", source="", n_features=3, n_hidden=6, model="absolute-value")
    with pytest.raises(SettingError, match="model='absolute-value'"):
        PopulationSurface.of(entry)
