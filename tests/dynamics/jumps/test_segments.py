"""The best straight lines: exact on lines, and the best of all ways to divide a signal."""

from itertools import combinations, pairwise

import numpy as np
import pytest

from dyn.dynamics.jumps.segments import fit_lines, segment

# The price of a line, in units of the noise squared.
PENALTY = 30.0


def cost(y: np.ndarray, starts: tuple[int, ...]) -> float:
    pieces = [np.arange(a, b) for a, b in pairwise(starts)]
    fits = [np.polyval(np.polyfit(t, y[t], 1), t) for t in pieces]
    return sum(float(((y[t] - fit) ** 2).sum()) for t, fit in zip(pieces, fits, strict=True)) + PENALTY * len(pieces)


def test_lines_without_noise_are_found_where_they_are():
    t = np.arange(100)
    broken = np.select([t < 30, t < 45], [0.2 + 0.001 * t, 0.02 * t], 0.5)
    found = segment(np.stack([broken, 0.01 * t], axis=1), np.full(2, 1e-3))
    assert [list(starts) for starts in found] == [[0, 30, 45, 100], [0, 100]]


def test_each_of_many_signals_has_its_own_lines():
    at = np.arange(20, 90)
    found = segment((np.arange(100)[:, None] >= at).astype(float), np.full(70, 0.01))
    assert [list(starts) for starts in found] == [[0, each, 100] for each in at]


@pytest.mark.parametrize("seed", range(5))
def test_no_other_division_is_better(seed):
    rng = np.random.default_rng(seed)
    y = np.cumsum(6 * rng.normal(size=13))
    inner = [each for k in range(6) for each in combinations(range(2, 12), k)]
    divisions = [(0, *each, 13) for each in inner if all(b - a >= 2 for a, b in pairwise(each))]
    (starts,) = segment(y[:, None], np.ones(1))
    assert cost(y, tuple(starts)) == pytest.approx(min(cost(y, each) for each in divisions))


def test_the_lines_are_those_of_least_squares():
    y = np.random.default_rng(0).normal(size=50)
    lines = fit_lines(y, np.array([0, 2, 30, 50]))
    for k, (a, b) in enumerate([(0, 2), (2, 30), (30, 50)]):
        slope, value = np.polyfit(np.arange(a, b), y[a:b], 1)
        assert (lines.first[k], lines.last[k], lines.length[k]) == (a, b - 1, b - a)
        ends = [value + slope * a, value + slope * (b - 1), slope]
        np.testing.assert_allclose([lines.begin[k], lines.end[k], lines.slope[k]], ends, atol=1e-12)


@pytest.mark.parametrize("length", [2, 3, 4, 7, 50, 1000])
def test_the_end_of_a_line_lies_within_a_third_of_the_range_outside_of_its_values(length):
    rng = np.random.default_rng(length)
    # The worst of all values are those of a step, low until a third and high from there.
    steps = [np.arange(length) >= first for first in range(length + 1)]
    for y in [*steps, *rng.random((50, length)), *(rng.random((50, length)) > 0.5)]:
        lines = fit_lines(y.astype(float), np.array([0, length]))
        ends = np.concatenate([lines.begin, lines.end])
        assert ends.min() >= y.min() - np.ptp(y.astype(float)) / 3 - 1e-9
        assert ends.max() <= y.max() + np.ptp(y.astype(float)) / 3 + 1e-9
