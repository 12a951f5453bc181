"""Intervals hold the truth as often as they say, and agree with closed forms and with SciPy's."""

import numpy as np
import pytest
from scipy.stats import binomtest
from scipy.stats import t as student

from dyn.dynamics.ensembles.intervals import IntervalEstimate, fewest_for, mean_interval, mean_of, median_of, wilson


@pytest.mark.parametrize(("successes", "count"), [(0, 20), (1, 7), (10, 20), (20, 20)])
def test_wilson_is_scipys(successes, count):
    expected = binomtest(successes, count).proportion_ci(method="wilson")
    np.testing.assert_allclose(wilson(successes / count, count), tuple(expected), atol=1e-12)


def test_a_mean_has_students_interval():
    samples = np.array([1.0, 2.0, 4.0, 9.0])
    expected = student.interval(0.9, 3, loc=4, scale=samples.std(ddof=1) / 2)
    found = mean_of(samples, 0.9)
    assert found.value == 4
    assert (found.low, found.high) == pytest.approx(expected)


def test_an_interval_stays_within_what_can_be():
    found = mean_of(np.array([0.0, 0.0, 0.1]), bounds=(0, 1))
    assert found.low == 0
    assert found.high < 1


def test_one_model_has_no_interval_and_none_no_mean():
    assert mean_of(np.array([3.0])).value == 3
    assert np.isnan(mean_of(np.array([3.0])).low)
    assert np.isnan(mean_of(np.empty(0)).value)
    assert np.isnan(mean_interval(0.5, np.nan, 1)).all()


def test_students_interval_holds_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(0)
    # Twenty models whose shares have mean 0.3 and do not leave [0, 1].
    found = [mean_of(rng.beta(3, 7, 20), bounds=(0, 1)) for _ in range(2000)]
    held = np.mean([each.low <= 0.3 <= each.high for each in found])
    # Four standard errors √(0.95 × 0.05 / 2000), and 0.01 for shares that are not normal.
    assert held == pytest.approx(0.95, abs=0.03)


def test_the_median_is_of_all_values_and_its_interval_of_models():
    rng = np.random.default_rng(1)
    held, naive = [], []
    for k in range(150):
        # Ten jumps in each of thirty models, alike within a model: 30 observations, not 300.
        groups = [rng.normal(rng.normal(), 0.1, 10) for _ in range(30)]
        found = median_of(groups)
        assert found.value == np.sort(np.concatenate(groups))[149]
        held.append(found.low <= 0 <= found.high)
        if k < 40:
            each = median_of([np.array([value]) for group in groups for value in group])
            naive.append(each.low <= 0 <= each.high)
    # Four standard errors √(0.95 × 0.05 / 150) are 0.07; a percentile bootstrap of 30 models holds a little less.
    assert np.mean(held) == pytest.approx(0.95, abs=0.09)
    # As if there were 300 models, the interval is a third as wide, and holds the truth about half of the time.
    assert np.mean(naive) < 0.8


def test_models_without_values_say_nothing_of_the_median():
    valued = [np.array([float(k)]) for k in range(8)]
    assert median_of([*valued, *[np.empty(0)] * 20]) == median_of(valued)
    # One model of many has jumped: its interval would have no width.
    found = median_of([np.empty(0)] * 9 + [np.array([1.0, 2.0, 3.0])])
    assert found.value == 2
    assert np.isnan([found.low, found.high]).all()
    assert np.isnan(median_of([np.empty(0)]).value)
    assert np.isnan(median_of([]).value)


@pytest.mark.parametrize(("level", "fewest"), [(0.5, 2), (0.9, 5), (0.9375, 5), (0.95, 6), (0.99, 8)])
def test_too_few_models_have_no_interval_for_their_median(level, fewest):
    # k values have their median between the least and the greatest with probability 1 - 2 · 2^-k.
    assert fewest_for(level) == fewest
    groups = [np.array([float(k)]) for k in range(fewest)]
    assert np.isnan(median_of(groups[1:], level).low)
    found = median_of(groups, level)
    assert found.low <= found.value <= found.high


def test_what_is_unknown_is_none_in_a_document():
    assert IntervalEstimate(1.0, np.nan, np.inf).as_dict() == {"value": 1.0, "low": None, "high": None}
    assert str(IntervalEstimate(0.5, 0.25, 0.75)) == "0.5 (0.25 to 0.75)"
    assert str(IntervalEstimate(0.5, np.nan, np.nan)) == "0.5 (unknown)"
    assert str(IntervalEstimate(np.nan, np.nan, np.nan)) == "unknown"


def test_few_models_that_are_alike_do_not_say_how_sure_their_mean_is():
    assert str(mean_of(np.ones(2))) == "1 (unknown)"
    assert str(mean_of(np.ones(fewest_for(0.95)))) == "1 (1 to 1)"
    assert np.isfinite(mean_of(np.array([1.0, 2.0])).low)
