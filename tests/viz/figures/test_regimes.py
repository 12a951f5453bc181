"""The regimes figure: a band, a polyhedron and a line of words for each regime of the run."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.patches import Rectangle

from dyn.recorders.stories.story import tell
from dyn.viz import plot_regimes


@pytest.fixture(scope="module")
def regimes(geometry):
    return tell(geometry).regimes


def test_regimes_are_bands_of_the_loss(geometry, regimes):
    loss = plot_regimes(geometry).axes[0]
    bands = [patch for patch in loss.patches if isinstance(patch, Rectangle)]
    assert [(band.get_x(), band.get_x() + band.get_width()) for band in bands] == [
        (regime.start, regime.end) for regime in regimes
    ]
    assert loss.get_xlim() == (0, 3000)
    expected = next(line for line in loss.lines if line.get_label() == "expected loss")
    np.testing.assert_array_equal(expected.get_ydata(), geometry.scalars["expected_loss"][:])


def test_each_regime_has_its_polyhedron_with_its_name(geometry, regimes):
    spaces = plot_regimes(geometry).axes[1:]
    assert [ax.get_title(loc="center") for ax in spaces] == [f"{k + 1}  {each.kind}" for k, each in enumerate(regimes)]
    # In the last one all six features stand with their numbers.
    assert {text.get_text() for text in spaces[-1].texts if text.get_visible()} == set("012345")


def test_the_words_of_each_regime_stand_below(geometry, regimes):
    told = plot_regimes(geometry).get_supxlabel()
    for k, regime in enumerate(regimes):
        assert f"{k + 1}  steps {regime.start}-{regime.end}, {regime.kind}" in told


def test_an_axes_of_your_own_has_the_panels_without_the_words(geometry, regimes):
    figure, ax = plt.subplots()
    assert plot_regimes(geometry, ax) is figure
    assert len(figure.subfigs[0].axes) == 1 + len(regimes)
    assert figure.get_supxlabel() == ""


def test_a_plane_is_looked_at_straight_on(plane):
    space = plot_regimes(plane, instance=1).axes[-1]
    W = plane.parameters["W"][-1, 1]
    dots = np.concatenate([each.get_offsets() for each in space.collections if len(each.get_offsets()) == 2])
    angles = np.sort(np.arctan2(dots[:, 1], dots[:, 0]))
    np.testing.assert_allclose(angles, np.sort(np.arctan2(W[1], W[0])), atol=1e-5)
