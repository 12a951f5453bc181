"""The energy levels and which of them a dimensionality is at."""

from fractions import Fraction

import pytest

from dyn.dynamics.levels import LEVELS, nearest_level

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


@pytest.mark.parametrize("value", [0.45, 0.6, 0.71, 0.9, 0.03, 1.1, float("nan"), float("inf")])
def test_between_levels_there_is_none(value):
    assert nearest_level(value) is None


def test_the_tolerance_decides():
    assert nearest_level(0.55) is None
    assert nearest_level(0.55, tolerance=0.06) is not None
