"""Kaplan and Meier's estimate against hand counts, SciPy's, closed forms, and the truth in many simulated ensembles."""

import numpy as np
import pytest
from scipy.stats import CensoredData, ecdf

from dyn.dynamics.ensembles.intervals import wilson
from dyn.dynamics.ensembles.survival import kaplan_meier


def test_the_product_by_hand():
    # Of five models one jumps at 2, one is lost at 3, two jump at 4, and the last is watched until 9.
    found = kaplan_meier([2, 3, 4, 4, 9], [True, False, True, True, False])
    np.testing.assert_array_equal(found.time, [0, 2, 4])
    np.testing.assert_allclose(found.share, [1, 4 / 5, 4 / 5 * (1 - 2 / 3)])
    assert (found.end, found.models, found.happened) == (9, 5, 3)
    assert found.at(3.9).value == pytest.approx(4 / 5)
    assert found.at(4).value == pytest.approx(4 / 15)
    assert np.isnan(found.at(9.1).value)
    assert found.median.value == 4


def test_scipy_finds_the_same_under_random_censoring():
    rng = np.random.default_rng(0)
    time, limit = rng.exponential(1, 200), rng.uniform(0, 3, 200)
    seen, watched = time <= limit, np.minimum(time, limit)
    found = kaplan_meier(watched, seen)
    theirs = ecdf(CensoredData(uncensored=watched[seen], right=watched[~seen])).sf
    np.testing.assert_allclose(found.share, theirs.evaluate(found.time), atol=1e-12)


def test_without_early_censoring_the_band_is_that_of_a_share():
    time = np.array([3.0, 1, 2, 5, 5, 5])
    found = kaplan_meier(time, time < 5)
    np.testing.assert_allclose((found.low, found.high), wilson(found.share, 6), atol=1e-12)


def test_the_effective_number_of_models_is_greenwoods():
    found = kaplan_meier([2, 3, 4, 4, 9], [True, False, True, True, False])
    share = 4 / 15
    variance = share**2 * (1 / (5 * 4) + 2 / (3 * 1))
    np.testing.assert_allclose(
        (found.low[-1], found.high[-1]), wilson(share, share * (1 - share) / variance), atol=1e-12
    )


@pytest.mark.parametrize(("rate", "limit"), [(1.0, 0.8), (1.0, 3.0)])
def test_the_band_holds_the_exponential_as_often_as_it_says(rate, limit):
    """Runs end at different times, as where training diverges, and all that jump later are censored."""
    rng = np.random.default_rng(2)
    ensembles, models = 1500, 30
    shares, held = [], []
    for _ in range(ensembles):
        time = rng.exponential(1 / rate, models)
        ends = np.minimum(rng.exponential(4.0, models), limit)
        found = kaplan_meier(np.minimum(time, ends), time <= ends).at(0.5)
        if np.isfinite(found.value):
            shares.append(found.value)
            held.append(found.low <= np.exp(-0.5 * rate) <= found.high)
    # The estimate has no bias: four standard errors of the mean of shares that vary by 0.1.
    assert np.mean(shares) == pytest.approx(np.exp(-0.5 * rate), abs=4 * 0.1 / np.sqrt(ensembles))
    # Four standard errors √(0.95 × 0.05 / 1500) are 0.023; shares of 30 models are steps, which is worth 0.015.
    assert np.mean(held) == pytest.approx(0.95, abs=0.038)


def test_the_median_is_held_as_often_as_it_says():
    rng = np.random.default_rng(3)
    held = []
    for _ in range(1000):
        time = rng.exponential(1, 25)
        found = kaplan_meier(np.minimum(time, 2), time <= 2).median
        held.append(found.low <= np.log(2) <= found.high)
    # Four standard errors √(0.95 × 0.05 / 1000) are 0.028; ranks of 25 models are steps, which is worth 0.02.
    assert np.mean(held) == pytest.approx(0.95, abs=0.05)


def test_models_that_have_not_jumped_are_not_left_out():
    found = kaplan_meier([1, 10, 10, 10], [True, False, False, False])
    assert found.at(10).value == 0.75
    assert np.isinf(found.median.value)


def test_nothing_ever_happens():
    found = kaplan_meier([5, 5, 5], [False] * 3)
    assert found.at(5).value == found.at(5).high == 1
    # Of three models that did not jump, up to half may do so.
    assert 0.3 < found.at(5).low < 0.5


def test_all_have_jumped():
    found = kaplan_meier([1, 2, 3, 4], [True] * 4)
    assert found.share[-1] == found.low[-1] == 0
    assert 0.4 < found.high[-1] < 0.6


@pytest.mark.parametrize(
    ("time", "seen"), [([], []), ([1.0], [True, False]), ([-1.0], [True]), ([np.nan], [True]), ([[1.0]], [[True]])]
)
def test_what_cannot_be_is_refused(time, seen):
    with pytest.raises(ValueError, match="time"):
        kaplan_meier(time, seen)
