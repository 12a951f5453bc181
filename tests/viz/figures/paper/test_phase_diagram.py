"""The phase diagram: each point's colour is that of its models, theory beside it, the boundary through both."""

import numpy as np
import pytest

from dyn.dynamics.errors import SettingError
from dyn.dynamics.phenomena.phase_diagram import phase_table
from dyn.dynamics.theory.extra_feature import phase_boundary
from dyn.viz import plot_phase

WHITE, ORANGE, BLUE = np.array([1, 1, 1]), np.array([240, 168, 48]) / 255, np.array([31, 78, 140]) / 255


def colours(ax) -> np.ndarray:
    """Return the colours of the cells, (densities, importances, 3)."""
    return ax.collections[0].get_array()


def test_trained_points_have_the_colours_of_their_phase(phase_diagram):
    trained = plot_phase(phase_diagram).axes[0]
    W = phase_diagram.parameters["W"][-1].reshape(2, 3, 3, 1, 2)
    loss = phase_diagram.probes["expected_loss_of_instance"][-1].reshape(2, 3, 3)
    table = phase_table(W, loss)
    shown = colours(trained)
    assert shown.shape == (2, 3, 3)
    norm, mixed = np.clip(table.norm, 0, 1)[..., None], np.clip(table.superposition, 0, 1)[..., None]
    # Blending in one go, of the three colours by their weights.
    expected = (1 - norm) * WHITE + norm * (1 - mixed) * ORANGE + norm * mixed * BLUE
    np.testing.assert_allclose(shown, expected, atol=1e-9)


def test_theory_has_all_three_phases(phase_diagram):
    shown = colours(plot_phase(phase_diagram).axes[1])
    corners = {"top left": shown[-1, 0], "top right": shown[-1, -1], "bottom": shown[0, 200]}
    np.testing.assert_allclose([*corners.values()], [WHITE, ORANGE, BLUE], atol=0.01)


def test_the_boundary_goes_through_both_panels(phase_diagram):
    for ax in plot_phase(phase_diagram).axes:
        r, p = ax.lines[0].get_data()
        np.testing.assert_allclose(p, phase_boundary(2, 1, r))
        assert ax.get_xscale() == ax.get_yscale() == "log"


def test_the_legend_names_the_three_phases_and_the_boundary(phase_diagram):
    names = [text.get_text() for text in plot_phase(phase_diagram).legends[0].get_texts()]
    assert names == ["not represented", "has a dimension of its own", "in superposition", "boundary in theory"]


def test_another_recording_names_its_own_figures(geometry):
    with pytest.raises(SettingError, match=r"levels.*regimes"):
        plot_phase(geometry)
