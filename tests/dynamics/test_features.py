"""The distributions that features are drawn from."""

import numpy as np
import pytest
import torch

from dyn.dynamics.features import FeatureDistribution

SAMPLES = 40_000
# A right sampler lies outside 5 standard errors less than once in a million figures, and the seeds are fixed.
SIGMAS = 5
CORRELATIONS = ["independent", "correlated", "anticorrelated"]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def draw(distribution: FeatureDistribution, *, active: bool = False, shape: tuple[int, ...] = (SAMPLES,)) -> np.ndarray:
    sample = distribution.sample_active if active else distribution.sample
    return sample(shape, generator()).numpy()


def assert_frequencies(on: np.ndarray, p) -> None:
    """Hold the frequency of each column of *on* (samples, k) to p, within its binomial standard error."""
    p = np.broadcast_to(p, on.shape[-1])
    error = np.sqrt(p * (1 - p) / on.shape[-2])
    np.testing.assert_array_less(abs(on.mean(-2) - p), SIGMAS * error + 1e-12)


@pytest.mark.parametrize("p", [1.0, 0.3, 0.01])
def test_each_feature_is_on_with_its_density(p):
    x = draw(FeatureDistribution(5, p))
    assert x.shape == (SAMPLES, 5)
    assert_frequencies(x > 0, p)
    assert ((x >= 0) & (x < 1)).all()


def test_magnitudes_are_uniform_and_independent():
    x = draw(FeatureDistribution(3, 1.0))
    # The moments of U[0, 1]: mean 1/2, mean square 1/3 and product of two 1/4, the variances 1/12, 4/45 and 7/144.
    for found, mean, variance in [
        (x, 1 / 2, 1 / 12),
        (x**2, 1 / 3, 4 / 45),
        (x * np.roll(x, 1, axis=1), 1 / 4, 7 / 144),
    ]:
        assert (abs(found.mean(0) - mean) < SIGMAS * np.sqrt(variance / SAMPLES)).all()


def test_independent_features_are_on_together_by_chance():
    x = draw(FeatureDistribution(2, 0.3)) > 0
    assert_frequencies(x.all(1, keepdims=True), 0.3**2)


def test_a_correlated_set_is_on_as_one():
    on = (draw(FeatureDistribution(6, 0.2, correlation="correlated", sets=2)) > 0).reshape(SAMPLES, 2, 3)
    assert (on == on[..., :1]).all()
    assert_frequencies(on[..., 0], 0.2)
    assert_frequencies(on[..., 0].all(1, keepdims=True), 0.2**2)


def test_an_anticorrelated_set_has_one_on_or_none():
    on = (draw(FeatureDistribution(6, 0.4, correlation="anticorrelated", sets=2)) > 0).reshape(SAMPLES, 2, 3)
    assert on.sum(-1).max() == 1
    assert_frequencies(on.any(-1), 0.4)
    assert_frequencies(on.reshape(SAMPLES, 6), 0.4 / 3)


def test_densities_of_instances_are_their_own():
    densities = (1.0, 0.3, 0.01)
    x = draw(FeatureDistribution(4, densities), shape=(3, SAMPLES))
    for each, p in zip(x, densities, strict=True):
        assert_frequencies(each > 0, p)


@pytest.mark.parametrize("correlation", CORRELATIONS)
@pytest.mark.parametrize("p", [1.0, 0.3, 1e-4, 1e-7])
def test_active_samples_are_never_silent(correlation, p):
    x = draw(FeatureDistribution(6, p, correlation=correlation, sets=2), active=True, shape=(2000,))
    assert x.any(axis=1).all()


@pytest.mark.parametrize("p", [0.9, 0.3, 0.01])
def test_active_samples_have_the_conditional_distribution(p):
    n = 3
    on = draw(FeatureDistribution(n, p), active=True) > 0
    patterns = np.array(list(np.ndindex(*[2] * n)))[1:]
    k = patterns.sum(1)
    conditional = p**k * (1 - p) ** (n - k) / (1 - (1 - p) ** n)
    seen = (on[:, None] == patterns).all(-1)
    assert_frequencies(seen, conditional)


def test_active_samples_of_an_ensemble_follow_each_density():
    densities = (1.0, 0.5, 1e-3)
    on = draw(FeatureDistribution(2, densities), active=True, shape=(3, SAMPLES)) > 0
    for each, p in zip(on, densities, strict=True):
        assert_frequencies(each, p / (1 - (1 - p) ** 2))


@pytest.mark.parametrize("correlation", CORRELATIONS)
def test_probability_of_silence(correlation):
    distribution = FeatureDistribution(4, 0.25, correlation=correlation, sets=2)
    silence = distribution.probability_of_silence()
    assert silence.dtype == torch.float64
    assert float(silence) == pytest.approx(0.75 ** (4 if correlation == "independent" else 2))
    assert_frequencies(~draw(distribution).any(axis=1, keepdims=True), float(silence))


def test_probability_of_silence_of_each_instance():
    silence = FeatureDistribution(2, (1.0, 0.5)).probability_of_silence()
    np.testing.assert_allclose(silence, [0, 0.25])


@pytest.mark.parametrize("active", [False, True])
def test_the_generator_decides(active):
    sample = getattr(FeatureDistribution(4, 0.3), "sample_active" if active else "sample")
    assert torch.equal(sample((8,), generator(1)), sample((8,), generator(1)))
    assert not torch.equal(sample((8,), generator(1)), sample((8,), generator(2)))
