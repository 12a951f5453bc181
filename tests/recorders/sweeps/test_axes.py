"""The axes of a sweep, read from text."""

import numpy as np
import pytest

from dyn.dynamics.errors import SettingError
from dyn.dynamics.experiments import EXPERIMENTS
from dyn.recorders.sweeps.axes import Axis, parse_axis

GEOMETRY = EXPERIMENTS["geometry"]


def test_a_logarithmic_range_has_a_constant_ratio_and_exact_ends():
    values = np.array(parse_axis(GEOMETRY, "density=log:0.01:1:5").values)
    assert values[[0, -1]].tolist() == [0.01, 1.0]
    # Values are rounded to twelve digits.
    np.testing.assert_allclose(values[1:] / values[:-1], 10**0.5, rtol=1e-10)


def test_a_linear_range_may_fall():
    assert parse_axis(GEOMETRY, "lr=lin:0.03:0.01:3") == Axis("lr", (0.03, 0.02, 0.01))


def test_a_list_has_the_type_of_its_setting():
    assert parse_axis(GEOMETRY, "n_hidden=2, 3").values == (2, 3)
    assert parse_axis(GEOMETRY, "optimizer=adam,sgd").values == ("adam", "sgd")
    assert parse_axis(GEOMETRY, "importance=1,0.9^i").values == (1.0, "0.9^i")
    assert parse_axis(GEOMETRY, "n_hidden=lin:2:4:3").values == (2, 3, 4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("density", "no '='"),
        ("densty=0.1", "did you mean density"),
        ("density=log:0:1:5", "no range"),
        ("density=log:0.1:1", "no range"),
        ("density=exp:0.1:1:5", "no range"),
        ("density=lin:0.1:1:1", "no range"),
        ("density=0.1,0.1", "different values"),
        ("density=,", "different values"),
        ("n_hidden=lin:2:3:3", "2.5"),
        ("repeat=1,2", "--repeat"),
        ("n_instances=2,3", "--repeat"),
    ],
)
def test_what_is_no_axis_is_refused(text, message):
    with pytest.raises(SettingError, match=message):
        parse_axis(GEOMETRY, text)
