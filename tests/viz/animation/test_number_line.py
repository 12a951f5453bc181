"""Features in one dimension: a line for each."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from dyn.viz.animation.number_line import NumberLine
from dyn.viz.parts.style import PALETTE


@pytest.fixture
def line():
    return NumberLine(Figure().add_subplot(), PALETTE[:3], radius=2.0)


def test_each_feature_has_its_length_on_a_line_of_its_own(line):
    line.move(np.array([[2.0, 0, 0], [-1.0, 0, 0], [2.0, 0, 0]]))
    rays, dots, *labels = line.artists
    ends = np.array([ray[1] for ray in rays.get_segments()])
    np.testing.assert_allclose(ends[:, 0], [1.0, -0.5, 1.0])
    assert len(set(ends[:, 1])) == 3
    np.testing.assert_allclose(dots.get_offsets(), ends)
    # Labels lie beyond the ends.
    outward = [abs(label.get_position()[0]) - abs(end) for label, end in zip(labels, ends[:, 0], strict=True)]
    assert min(outward) > 0.05
    assert [label.get_text() for label in labels] == ["0", "1", "2"]


def test_values_that_are_no_numbers_stay_at_the_origin(line):
    line.move(np.full((3, 3), np.nan))
    np.testing.assert_array_equal(np.array(line.artists[1].get_offsets())[:, 0], 0.0)


def test_hundreds_of_lines_fit_and_carry_no_labels():
    line = NumberLine(Figure().add_subplot(), ["#000000"] * 300, radius=1.0)
    line.move(np.zeros((300, 3)))
    assert len(line.artists) == 2
    assert np.abs(np.array(line.artists[1].get_offsets())).max() < 1.25
