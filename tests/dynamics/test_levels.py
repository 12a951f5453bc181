"""The energy levels and which of them a dimensionality is at."""

from fractions import Fraction

import numpy as np
import pytest

from dyn.dynamics.levels import LEVELS, find_levels, level_indices, nearest_level, occupancy
from dyn.dynamics.synthetic.trajectories import Plan, plant

KNOWN = {"1": "dedicated", "3/4": "tetrahedron", "2/3": "triangle", "1/2": "digon", "2/5": "pentagon"}
KNOWN |= {"3/8": "square antiprism", "0": "not represented"}


def test_the_levels_are_the_papers():
    assert {level.label: level.polytope for level in LEVELS} == KNOWN


@pytest.mark.parametrize("text", KNOWN)
def test_a_level_is_nearest_to_itself(text):
    level = nearest_level(float(Fraction(text)))
    assert level is not None
    assert (level.label, level.polytope) == (text, KNOWN[text])


@pytest.mark.parametrize(
    ("value", "label"), [(0.51, "1/2"), (0.385, "3/8"), (0.39, "2/5"), (1.015, "1"), (-0.01, "0"), (0.019, "0")]
)
def test_the_nearest_within_the_tolerance_wins(value, label):
    level = nearest_level(value)
    assert level is not None
    assert level.label == label


@pytest.mark.parametrize("value", [0.45, 0.6, 0.71, 0.9, 0.035, 1.1, float("nan"), float("inf")])
def test_between_levels_there_is_none(value):
    assert nearest_level(value) is None


def test_the_tolerance_decides():
    assert nearest_level(0.55) is None
    assert nearest_level(0.55, tolerance=0.06) is not None


def test_indices_name_the_level_of_every_value():
    D = np.array([[1.0, 0.51, 0.45], [0.0, np.nan, 0.385]])
    assert level_indices(D).tolist() == [[0, 3, -1], [6, -1, 5]]


def test_occupancy_counts_the_features_at_each_level():
    D = np.array([[0.5, 0.5, 0.0, 0.9], [1.0, 0.5, np.inf, 0.0]])
    assert occupancy(D).tolist() == [[0, 0, 0, 2, 0, 0, 1], [1, 0, 0, 1, 0, 0, 1]]


def test_plateaus_are_the_planted_ones():
    trajectory = plant(Plan(rows=3000, features=6, noise=0.05, ramp=(0.002, 0.05)), seed=2)
    plateaus = find_levels(trajectory.signal, trajectory.step)
    for feature in range(6):
        mine = [plateau for plateau in plateaus if plateau.feature == feature]
        jumps = [jump for jump in trajectory.jumps if feature in jump.features]
        assert len(mine) == len(jumps) + 1
        assert (mine[0].start, mine[-1].end) == (0, 2999)
        for plateau, jump in zip(mine, jumps, strict=False):
            level = jump.before[jump.features.index(feature)]
            assert plateau.level is not None
            assert float(plateau.level.dimensionality) == pytest.approx(level)
            # Noise of a twentieth of a jump of at most 1, over a hundred rows or more; and a tail of the ramp.
            assert plateau.value == pytest.approx(level, abs=0.02)


def test_a_feature_that_rests_nowhere_known_has_a_plateau_without_a_level():
    (plateau,) = find_levels(np.full((100, 1), 0.45))
    assert (plateau.start, plateau.end, plateau.value, plateau.level) == (0, 99, pytest.approx(0.45), None)


def test_no_rows_have_no_plateaus():
    assert find_levels(np.empty((0, 3))) == []
