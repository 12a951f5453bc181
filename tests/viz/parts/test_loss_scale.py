"""In which range a loss is shown, and when by its logarithm."""

import numpy as np
import pytest

from dyn.viz.parts.curves import loss_scale


@pytest.mark.parametrize(
    "values",
    [np.linspace(1, 4, 30), np.geomspace(1e-6, 1, 30), np.linspace(-3, 2, 30), np.full(5, 0.25), np.zeros(4)],
    ids=["narrow", "wide", "of both signs", "constant", "zero"],
)
def test_every_value_is_inside_with_room_on_both_sides(values):
    (low, high), is_log = loss_scale(values)
    assert low < values.min() <= values.max() < high
    assert low > 0 or not is_log
    # The room is little: the values take most of the panel, unless they are all the same.
    place = np.log if is_log else np.asarray
    if np.ptp(values):
        assert np.ptp(place(values)) > 0.7 * np.ptp(place(np.array([low, high])))


@pytest.mark.parametrize(
    ("values", "expected"),
    [([1.0, 4.0], False), ([1.0, 20.0], True), ([-20.0, -1.0], False), ([0.0, 20.0], False), ([-1.0, 20.0], False)],
)
def test_a_logarithm_is_for_positive_values_over_a_wide_range(values, expected):
    assert loss_scale(np.array(values))[1] is expected


def test_what_is_not_finite_does_not_count():
    values = np.array([np.nan, 1.0, np.inf, 2.0, -np.inf])
    assert loss_scale(values) == loss_scale(np.array([1.0, 2.0]))


@pytest.mark.parametrize("values", [[], [np.nan, np.inf]])
def test_without_any_value_there_is_a_range_all_the_same(values):
    assert loss_scale(np.array(values)) == ((0.0, 1.0), False)
