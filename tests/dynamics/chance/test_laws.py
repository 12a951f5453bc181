"""Tails of directions at random, against exact values and against sampling."""

import math

import numpy as np
import pytest
from scipy import stats

from dyn.dynamics.chance.laws import (
    cosine_error,
    log_beta,
    log_cosine_above,
    log_gamma_tails,
    projection,
    tail,
    window,
)


@pytest.mark.parametrize(
    ("x", "a", "b"), [(0.1, 2, 0.5), (0.9, 3, 4), (1e-4, 63.5, 0.5), (0.5, 0.5, 5), (0.01, 31.5, 0.5)]
)
def test_the_beta_distribution_is_exact_far_beyond_what_could_be_sampled(x, a, b):
    assert log_beta(x, a, b) == pytest.approx(stats.beta.logcdf(x, a, b), rel=1e-9)


def test_the_ends_of_the_beta_distribution():
    assert (log_beta(0, 2, 3), log_beta(1, 2, 3)) == (-math.inf, 0)


@pytest.mark.parametrize(("x", "shape"), [(0.1, 2.5), (1, 7), (20, 7), (300, 400), (500, 400)])
def test_the_gamma_distribution_is_exact(x, shape):
    assert log_gamma_tails(x, shape) == pytest.approx(
        (stats.gamma.logcdf(x, shape), stats.gamma.logsf(x, shape)), rel=1e-8, abs=1e-12
    )


@pytest.mark.parametrize("m", [2, 3, 4, 16, 128])
def test_cosines_on_the_circle_the_sphere_and_beyond(m):
    # On the sphere cosines are uniform, on the circle angles are.
    known = {2: math.log(math.acos(0.9) / math.pi), 3: math.log(0.05)}
    expected = known.get(m, stats.beta.logsf(0.81, 0.5, (m - 1) / 2) - math.log(2))
    assert log_cosine_above(0.9, m) == pytest.approx(expected, rel=1e-9)
    assert math.exp(log_cosine_above(-0.9, m)) + math.exp(log_cosine_above(0.9, m)) == pytest.approx(1)


@pytest.mark.parametrize("m", [2, 3, 4, 16, 128])
def test_the_saddlepoint_is_the_exact_tail_of_one_cosine(m):
    found = tail([cosine_error(m, 0.5)])
    for cosine in (0.9, 0.99, 0.999):
        assert found.at(1 - cosine) == pytest.approx(log_cosine_above(cosine, m), abs=0.1)


@pytest.mark.parametrize("m", [4, 16])
def test_the_tail_of_a_sum_is_that_of_samples(m):
    rng = np.random.default_rng(0)

    def cosines() -> np.ndarray:
        return 1 - 2 * rng.beta((m - 1) / 2, (m - 1) / 2, 400_000)

    samples = 2 * (1 - cosines()) / 3 + (cosines() + 0.5) ** 2 / 1.5 + rng.beta(1, (m - 2) / 2, 400_000) / 2
    found = tail([cosine_error(m, 1 / 3), window(m, -0.5, 1.5), projection(2, m, 0.5)])
    for share in (1e-3, 1e-2, 1e-1):
        assert math.exp(found.at(np.quantile(samples, share))) == pytest.approx(share, rel=0.12)


def test_a_tail_is_turned_around():
    found = tail([cosine_error(8, 1 / 4), window(8, -1 / 3, 1.5)])
    for log_p in (-3.0, -30.0, -100.0):
        assert found.at(found.below(log_p)) == pytest.approx(log_p, abs=0.01)
    assert found.at(0) == -math.inf
    assert found.at(1e9) == 0


def test_laws_are_made_once():
    assert cosine_error(7, 0.5) is cosine_error(7, 0.5)
    with pytest.raises(ValueError, match="m=1"):
        cosine_error(1, 0.5)
