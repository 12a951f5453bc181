"""The distributions that features are drawn from."""

import numpy as np
import pytest
import torch

from dyn.dynamics.training.feature_data import FeatureDistribution

SAMPLES = 40_000
# A right sampler lies outside 5 standard errors less than once in a million figures, and the seeds are fixed.
SIGMAS = 5
CORRELATIONS = ["independent", "correlated", "anticorrelated"]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def draw(distribution: FeatureDistribution, *, how: str = "sample", shape: tuple[int, ...] = (SAMPLES,)) -> np.ndarray:
    return getattr(distribution, how)(shape, generator()).numpy()


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


@pytest.mark.parametrize("how", ["sample", "spread_single", "spread_several"])
@pytest.mark.parametrize("correlation", CORRELATIONS)
def test_signed_values_are_uniform_on_both_sides_of_zero(how, correlation):
    x = draw(FeatureDistribution(4, 0.4, correlation=correlation, sets=2, signed=True), how=how)
    assert abs(x).max() <= 1
    for values in (column[column != 0] for column in x.T):
        # The moments of U[-1, 1]: mean 0 and mean square 1/3, the variances 1/3 and 4/45.
        assert abs(values.mean()) < SIGMAS * np.sqrt(1 / 3 / len(values))
        assert abs((values**2).mean() - 1 / 3) < SIGMAS * np.sqrt(4 / 45 / len(values))


@pytest.mark.parametrize("how", ["sample", "spread_single"])
def test_one_anticorrelated_set_of_density_one_is_one_hot(how):
    x = draw(FeatureDistribution(5, 1.0, correlation="anticorrelated", sets=1), how=how)
    # A magnitude of exactly 0 is as good as any other.
    assert ((x > 0).sum(1) <= 1).all()
    assert (x > 0).any(1).mean() > 0.999
    assert_frequencies(x > 0, 1 / 5)


def test_spread_one_hot_samples_are_even():
    x = draw(FeatureDistribution(5, 1.0, correlation="anticorrelated", sets=1), how="spread_single", shape=(500,))
    counts = (x > 0).sum(0)
    # The choice runs evenly through the features, and the magnitude evenly within each: independent draws would scatter
    # by 9 and by 0.03.
    assert (abs(counts - 100) <= 2).all()
    assert (abs((x**2).sum(0) / counts - 1 / 3) < 0.01).all()


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
@pytest.mark.parametrize(("how", "least", "most"), [("spread_single", 1, 1), ("spread_several", 2, 3)])
def test_spread_samples_have_as_many_units_on_as_they_say(correlation, p, how, least, most):
    distribution = FeatureDistribution(6, p, correlation=correlation, sets=3)
    on = draw(distribution, how=how, shape=(2000,)).reshape(2000, -1, 6 // distribution.units) > 0
    units = on.any(-1).sum(-1)
    assert units.min() >= least
    assert units.max() <= (6 if how == "spread_several" and correlation == "independent" else most)


@pytest.mark.parametrize("p", [0.9, 0.3, 0.01])
@pytest.mark.parametrize(("how", "allowed"), [("spread_single", [1]), ("spread_several", [2, 3, 4])])
def test_spread_samples_have_the_conditional_distribution(p, how, allowed):
    n = 4
    on = draw(FeatureDistribution(n, p), how=how) > 0
    patterns = np.array(list(np.ndindex(*[2] * n)))
    k = patterns.sum(1)
    weight = np.where(np.isin(k, allowed), p**k * (1 - p) ** (n - k), 0)
    seen = (on[:, None] == patterns).all(-1)
    # Evenly spread samples come closer than independent ones, whose error is allowed here.
    assert_frequencies(seen, weight / weight.sum())


@pytest.mark.parametrize("p", [0.3, 0.01])
@pytest.mark.parametrize("how", ["spread_single", "spread_several"])
def test_magnitudes_of_spread_samples_are_uniform_and_independent_of_what_else_is_on(p, how):
    x = draw(FeatureDistribution(3, p), how=how)
    for i, other in [(0, 1), (1, 2), (2, 0)]:
        for chosen in (x[:, i] > 0, (x[:, i] > 0) & (x[:, other] > 0)):
            values = x[chosen, i]
            if not chosen.any():
                continue
            # Mean and mean square of U[0, 1], as independent samples would have them.
            assert abs(values.mean() - 1 / 2) < SIGMAS * np.sqrt(1 / 12 / len(values))
            assert abs((values**2).mean() - 1 / 3) < SIGMAS * np.sqrt(4 / 45 / len(values))


def test_spread_samples_of_an_ensemble_follow_each_density():
    densities = (1.0, 0.5, 1e-3)
    on = draw(FeatureDistribution(3, densities), how="spread_several", shape=(3, SAMPLES)) > 0
    for each, p in zip(on, densities, strict=True):
        all_on = p**3 / (p**3 + 3 * p**2 * (1 - p))
        assert_frequencies(each.all(-1, keepdims=True), all_on)


def test_several_units_need_two():
    with pytest.raises(ValueError, match="units=1"):
        FeatureDistribution(3, 0.1, correlation="correlated", sets=1).spread_several((8,), generator())


def test_spread_samples_are_even():
    x = draw(FeatureDistribution(4, 0.01), how="spread_single", shape=(400,))
    assert ((x > 0).sum(0) == 100).all()
    # 100 points of a Kronecker sequence: within a few hundredths, where independent ones err by a tenth.
    assert (abs(100 * (x**2).mean(0) * 4 / 100 - 1 / 3) < 0.02).all()


@pytest.mark.parametrize("correlation", CORRELATIONS)
def test_probability_of_silence(correlation):
    distribution = FeatureDistribution(4, 0.25, correlation=correlation, sets=2)
    silence = distribution.probability_of_silence()
    assert silence.dtype == torch.float64
    assert float(silence) == pytest.approx(0.75 ** (4 if correlation == "independent" else 2))
    assert_frequencies(~draw(distribution).any(axis=1, keepdims=True), float(silence))


def test_probability_of_a_single_unit():
    single = FeatureDistribution(3, (0.5, 1.0, 0.1)).probability_of_single()
    np.testing.assert_allclose(single, [3 / 8, 0, 0.243])


def test_probability_of_silence_of_each_instance():
    silence = FeatureDistribution(2, (1.0, 0.5)).probability_of_silence()
    np.testing.assert_allclose(silence, [0, 0.25])


@pytest.mark.parametrize("how", ["sample", "spread_single", "spread_several"])
def test_the_generator_decides(how):
    sample = getattr(FeatureDistribution(4, 0.3), how)
    assert torch.equal(sample((8,), generator(1)), sample((8,), generator(1)))
    assert not torch.equal(sample((8,), generator(1)), sample((8,), generator(2)))


def draw_shared(distribution: FeatureDistribution, points: int, repeat: int, batch: int = SAMPLES) -> np.ndarray:
    x = distribution.sample_shared((points, repeat, batch), generator()).numpy()
    return x.reshape(points, repeat, batch, distribution.n_features)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("correlation", CORRELATIONS)
def test_shared_samples_have_the_distribution_of_others(correlation, signed):
    """The same test for each model: which features are on, together too, and the moments of the values."""
    p = (0.4, 0.4, 0.03, 0.03)
    distribution = FeatureDistribution(4, p, correlation=correlation, sets=2, signed=signed)
    share = 2 if correlation == "anticorrelated" else 1
    together = {"independent": (2, 2), "correlated": (1, 2), "anticorrelated": (0, 2)}[correlation]
    for point, density in zip(draw_shared(distribution, 2, 2), p[::2], strict=True):
        for x in point:
            assert_frequencies(x != 0, density / share)
            within, across = (x[:, 0] * x[:, 1] != 0), (x[:, 0] * x[:, 2] != 0)
            power = density ** together[0] if together[0] else 0.0
            assert_frequencies(np.stack([within, across], axis=1), [power, (density / share) ** together[1]])
            values = x[x != 0]
            mean = 0 if signed else 1 / 2
            # U[0, 1] and U[-1, 1] have the variances 1/12 and 1/3, and both squares the mean 1/3 and variance 4/45.
            assert abs(values.mean() - mean) < SIGMAS * np.sqrt((1 / 3 if signed else 1 / 12) / len(values))
            assert abs((values**2).mean() - 1 / 3) < SIGMAS * np.sqrt(4 / 45 / len(values))


@pytest.mark.parametrize("correlation", CORRELATIONS)
def test_points_share_numbers_and_their_models_do_not(correlation):
    x = draw_shared(FeatureDistribution(4, (0.5, 0.5, 0.2, 0.2), correlation=correlation, sets=2), 2, 2, 1000)
    dense, sparse = x > 0
    assert (dense >= sparse).all()
    assert abs(np.corrcoef(x[0, 0].ravel(), x[0, 1].ravel())[0, 1]) < SIGMAS / np.sqrt(1000)


def test_shared_samples_of_one_density_are_the_same_at_all_points():
    x = draw_shared(FeatureDistribution(3, 0.5), 4, 2, 100)
    assert x.shape == (4, 2, 100, 3)
    assert (x == x[:1]).all()
