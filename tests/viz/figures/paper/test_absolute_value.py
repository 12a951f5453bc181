"""Neurons as stacked bars: as tall as their weights, the ones for a single feature first."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from dyn.viz import plot_absolute_value
from dyn.viz.figures.paper.absolute_value import _colours, _draw_neurons
from dyn.viz.parts.members import DrawnMember
from dyn.viz.parts.style import PALETTE

# Four neurons: for x_1 < 0, for two features, for x_0 > 0, idle.
W1 = np.array([[0.0, -2.0, 0.1], [1.0, 0.0, -1.0], [1.5, 0.0, 0.0], [0.0, 0.0, 0.0]])


@pytest.fixture(scope="module")
def absolute(record_short):
    with record_short("absolute-value", steps=40, density=(1.0, 0.3), repeat=2) as recording:
        yield recording


def heights(ax) -> np.ndarray:
    """Return how far the bars of each place reach up and down, (neurons, 2)."""
    reach: dict[int, list[float]] = {}
    for path in ax.collections[0].get_paths():
        k = round(path.vertices[0, 0] + 0.4)
        up, down = reach.get(k, [0.0, 0.0])
        reach[k] = [max(up, path.vertices[:, 1].max()), min(down, path.vertices[:, 1].min())]
    return np.array([reach[k] for k in sorted(reach)])


def test_neurons_for_one_feature_come_first_with_their_names():
    ax = plt.figure().add_subplot()
    _draw_neurons(ax, DrawnMember(W1, None, None, None, 0), _colours(3))
    assert [label.get_text() for label in ax.get_xticklabels()] == ["$+x_{0}$", "$-x_{1}$", "", ""]
    np.testing.assert_allclose(heights(ax), [[1.5, 0], [0.1, -2], [1, -1]])
    assert ax.get_title(loc="left") == "instance 0: 2 of 4 neurons serve one feature each"


def test_segments_have_the_colours_of_their_features():
    ax = plt.figure().add_subplot()
    _draw_neurons(ax, DrawnMember(W1, None, None, None, 0), _colours(3))
    colours = {tuple(np.round(colour[:3], 6)) for colour in ax.collections[0].get_facecolors()}
    assert colours == {tuple(np.round(to_rgb(name), 6)) for name in PALETTE[:3]}


def test_each_density_has_its_best_model(absolute):
    figure = plot_absolute_value(absolute)
    best = absolute.probes["expected_loss_of_instance"][-1].reshape(2, 2).argmin(1)
    for row, ax in enumerate(figure.axes):
        W = absolute.parameters["W1"][-1, 2 * row + best[row]].astype(float)
        expected = np.column_stack([np.maximum(W, 0).sum(1), np.minimum(W, 0).sum(1)])
        np.testing.assert_allclose(np.sort(heights(ax), axis=0), np.sort(expected, axis=0))


def test_output_weights_are_a_choice(absolute):
    ax = plot_absolute_value(absolute, parameter="W2").axes[0]
    W = absolute.parameters["W2"][-1].astype(float)
    # A neuron is a column of W2, so up bars add up to the positive weights of one of the two models.
    totals = np.maximum(W[:2], 0).sum((1, 2))
    assert np.isclose(heights(ax)[:, 0].sum(), totals).any()


def test_many_features_have_a_scale_instead_of_a_legend(record_short):
    with record_short("absolute-value-superposition", steps=20, density=1.0, n_instances=None) as recording:
        figure = plot_absolute_value(recording)
    assert figure.axes[0].get_legend() is None
    assert figure.axes[-1].get_ylabel() == "feature $i$"
