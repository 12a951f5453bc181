"""Dimensions per feature over the sparsity, as recorded, with every feature's own and the levels' names."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from dyn.dynamics.geometry.measures import dimensionality
from dyn.dynamics.levels import LEVELS
from dyn.viz import plot_uniform
from dyn.viz.parts.feature_graphs import names_in


def test_the_curve_and_the_dots_are_those_of_the_last_row(densities):
    ax = plot_uniform(densities).axes[0]
    W = densities.parameters["W"][-1].astype(float)
    sparsity, overall = ax.lines[0].get_data()
    np.testing.assert_allclose(sparsity, [1, 1 / 0.3, 10])
    np.testing.assert_allclose(overall, [4 / np.square(matrix).sum() for matrix in W])
    for k in range(3):
        x, D = ax.collections[k].get_offsets().T
        np.testing.assert_allclose(D, dimensionality(W[k]))
        # Spread beside their density, nearer to it than to the next one.
        np.testing.assert_allclose(x, sparsity[k], rtol=0.03)


def test_levels_are_numbers_and_have_names_where_a_model_forms_the_polytope(densities):
    ax = plot_uniform(densities).axes[0]
    texts = {text.get_text() for text in ax.texts}
    formed = set().union(*(names_in(W) for W in densities.parameters["W"][-1]))
    assert {f"{level.label}  {level.name_among(formed)}".rstrip() for level in LEVELS} <= texts
    assert {"1  dedicated", "0  not represented"} <= texts


def test_into_an_axes_of_your_own(densities):
    figure, ax = plt.subplots()
    assert plot_uniform(densities, ax) is figure
    assert ax.get_xscale() == "log"


def test_graphs_of_some_models_stand_below_with_the_letters_of_their_points(densities):
    figure = plot_uniform(densities)
    curve, *graphs = figure.axes
    letters = [text for text in curve.texts if text.get_weight() == "bold"]
    assert 1 <= len(graphs) == len(letters) <= 6
    points = {tuple(point) for point in curve.lines[0].get_xydata()}
    for graph, letter in zip(graphs, letters, strict=True):
        name, _, sparsity = graph.get_title().partition("   sparsity ")
        assert name == letter.get_text()
        assert float(sparsity) == pytest.approx(letter.xy[0], rel=5e-3)
        assert tuple(letter.xy) in points
