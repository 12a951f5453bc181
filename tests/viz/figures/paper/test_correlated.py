"""Sets in a plane: the best model's features, the cosines of all models, and which sets have collapsed."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from dyn.dynamics.errors import SettingError
from dyn.viz import plot_collapse, plot_correlated
from dyn.viz.figures.paper.correlated import _counted, _draw_components
from dyn.viz.parts.members import DrawnMember


def directions(*degrees: float) -> np.ndarray:
    """Return unit features in a plane, (2, n)."""
    return np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])


def cosine(W: np.ndarray, i: int, j: int) -> float:
    return float(W[:, i] @ W[:, j] / np.linalg.norm(W[:, i]) / np.linalg.norm(W[:, j]))


@pytest.mark.parametrize("plot", [plot_collapse, plot_correlated])
def test_the_cosines_of_all_models_are_drawn_and_the_best_ones_stand_out(plane, plot):
    figure = plot(plane)
    planes, angles = figure.axes[:2], figure.axes[2:]
    assert len(planes) == len(angles) == 2
    W = plane.parameters["W"][-1].reshape(2, 4, 2, 6).astype(float)
    best = plane.probes["expected_loss_of_instance"][-1].reshape(2, 4).argmin(1)
    for row, ax in enumerate(angles):
        for k in range(3):
            expected = [cosine(member, 2 * k, 2 * k + 1) for member in W[row]]
            # Both are double precision; a few roundings apart.
            np.testing.assert_allclose(ax.collections[k].get_offsets()[:, 1], expected, atol=1e-12)
            assert ax.lines[k].get_ydata()[0] == pytest.approx(expected[best[row]])


def test_a_collapsed_set_has_its_principal_component():
    W = directions(10, 16, 100, 160, 250, 251)
    ax = plt.figure().add_subplot()
    _draw_components(ax, DrawnMember(W, None, 0.5, None, 0), np.repeat([0, 1, 2], 2), radius=1.0)
    assert ax.get_title(loc="center") == "$p$ = 0.5\n2 of 3 collapsed"
    slopes = [np.degrees(np.arctan2(*line.get_xydata()[1][::-1])) % 360 for line in ax.lines]
    np.testing.assert_allclose(slopes, [13, 250.5])


def test_features_without_sets_are_named(ensemble):
    with pytest.raises(SettingError, match="'collapse' shows sets of features in a plane"):
        plot_collapse(ensemble)


def test_the_caption_counts_what_the_models_do():
    told = _counted(np.array([[-1.0, -0.99], [-1.0, 0.0], [0.1, -0.1], [0.9, 0.5]]))
    assert told.startswith("Of 4 models, 1 (25%) have all sets antipodal")
    assert ", 1 (25%) all at right angles" in told
