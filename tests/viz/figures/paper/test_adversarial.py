"""The adversarial figure: attacks on models whose answer is known, and the features per dimension as recorded."""

import numpy as np
import pytest

from dyn.dynamics.errors import SettingError
from dyn.viz import plot_adversarial
from dyn.viz.figures.paper.adversarial import vulnerability
from dyn.viz.parts.members import DrawnMember


def test_a_model_that_repeats_its_input_has_vulnerability_one():
    models = [DrawnMember(np.eye(4), np.zeros(4), density, None, k) for k, density in enumerate((1.0, 0.2))]
    # Each attack moves one output by its length, which costs the square of it; single precision inputs.
    np.testing.assert_allclose(vulnerability(models), 1.0, rtol=1e-5)


def test_antipodal_features_are_easier_to_attack():
    pair = np.array([[1.0, -1.0], [0.0, 0.0]])
    models = [DrawnMember(W, np.zeros(2), 0.1, None, k) for k, W in enumerate((np.eye(2), pair))]
    alone, shared = vulnerability(models)
    assert shared > 1.2 * alone


def test_both_curves_are_of_the_last_row(densities):
    figure = plot_adversarial(densities)
    upper, lower = figure.axes
    W = densities.parameters["W"][-1].astype(float)
    np.testing.assert_allclose(lower.lines[0].get_xydata(), np.column_stack(
        [[1, 1 / 0.3, 10], np.square(W).sum((1, 2)) / 4]
    ))  # fmt: skip
    assert upper.lines[0].get_xdata().tolist() == lower.lines[0].get_xdata().tolist()
    assert (upper.lines[0].get_ydata() > 0).all()


def test_what_has_no_densities_is_named(geometry):
    with pytest.raises(SettingError, match="'adversarial' shows attacks"):
        plot_adversarial(geometry)
