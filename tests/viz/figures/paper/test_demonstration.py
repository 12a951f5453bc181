"""The demonstration shows the numbers of the last row: W^T W, b, and the norms with their colours."""

import re

import matplotlib.pyplot as plt
import numpy as np
import pytest

from dyn.dynamics.errors import SettingError
from dyn.dynamics.geometry.measures import gram, interference, norms
from dyn.viz import plot_demonstration, plot_intro


def panels(figure):
    """Return the axes of the matrices and of the bars, without those of the colour bars."""
    drawn = [ax for ax in figure.get_axes() if ax.images or ax.patches]
    return [ax for ax in drawn if ax.images], [ax for ax in drawn if ax.containers]


def test_matrices_and_biases_are_those_of_the_last_row(ensemble):
    matrices, _ = panels(plot_demonstration(ensemble))
    assert len(matrices) == 3
    for k, ax in enumerate(matrices):
        shown = np.ma.getdata(ax.images[0].get_array())
        W, b = ensemble.parameters["W"][-1, k], ensemble.parameters["b"][-1, k]
        np.testing.assert_allclose(shown[:, :5], gram(W.astype(float)))
        assert np.isnan(shown[:, 5]).all()
        np.testing.assert_array_equal(shown[:, 6], b)


def test_bars_are_norms_coloured_by_superposition(ensemble):
    _, bars = panels(plot_demonstration(ensemble))
    shades = []
    for k, ax in enumerate(bars):
        W = ensemble.parameters["W"][-1, k].astype(float)
        np.testing.assert_allclose([bar.get_width() for bar in ax.patches], norms(W))
        # The colour map gets lighter, so the colour's brightness is in the order of the superposition.
        order = np.argsort(np.minimum(interference(W), 1))
        brightness = np.array([np.dot(bar.get_facecolor()[:3], (0.2126, 0.7152, 0.0722)) for bar in ax.patches])
        assert (np.diff(brightness[order]) >= 0).all()
        shades.append(brightness)
    assert np.ptp(shades) > 0.1


def test_columns_are_named_by_their_density(ensemble):
    matrices, _ = panels(plot_demonstration(ensemble))
    assert [ax.get_title(loc="left") for ax in matrices] == ["$p$ = 1", "$p$ = 0.2", "$p$ = 0.1"]


@pytest.mark.parametrize(
    ("name", "settings", "title", "note"),
    [
        ("k-gons", {"repeat": 2}, "instance [01]", "Exactly one feature is on at a time."),
        ("k-gons", {"repeat": 2, "density": 0.5}, r"\$p\$ = 0.5", "never has two"),
        ("pca-collapse", {"density": (0.5,), "repeat": 2}, r"\$p\$ = 0.5", "a set of features is on"),
        ("intro", {"density": (0.5,)}, r"\$p\$ = 0.5", "p is the probability that a feature is on."),
    ],
)
def test_what_the_density_means_is_told(record_short, name, settings, title, note):
    figure = plot_intro(record_short(name, steps=20, **settings))
    assert re.fullmatch(title, figure.axes[0].get_title())
    assert note in " ".join(figure.get_supxlabel().split())


def test_a_training_of_its_own_has_no_density(written):
    recording = written(
        {"step": np.array([0]), "parameters/W": np.eye(2)[None], "features/W/dimensionality": np.ones((1, 2))}, {}
    )
    figure = plot_intro(recording)
    assert figure.axes[0].get_title() == ""
    assert "probability" not in figure.get_supxlabel()


def test_a_single_run_is_one_column(geometry):
    matrices, bars = panels(plot_demonstration(geometry))
    assert len(matrices) == len(bars) == 1


def test_of_repeats_the_best_is_shown(plane):
    matrices, _ = panels(plot_demonstration(plane))
    losses = plane.probes["expected_loss_of_instance"][-1].reshape(2, 4)
    for row, ax in enumerate(matrices):
        W = plane.parameters["W"][-1, 4 * row + losses[row].argmin()].astype(float)
        np.testing.assert_allclose(np.ma.getdata(ax.images[0].get_array())[:, :6], gram(W))


def test_panels_take_the_place_of_an_axes(ensemble):
    figure, (left, right) = plt.subplots(1, 2)
    assert plot_demonstration(ensemble, right) is figure
    assert len(figure.subfigs) == 1
    assert not right.axison
    assert left.axison


def test_an_axes_outside_of_a_grid_has_no_place_for_panels(plane):
    ax = plt.figure().add_axes((0, 0, 1, 1))
    with pytest.raises(SettingError, match="ax lies in no grid"):
        plot_intro(plane, ax)


def test_intro_draws_every_feature_and_the_polygon_around_them(plane):
    figure = plot_intro(plane)
    losses = plane.probes["expected_loss_of_instance"][-1].reshape(2, 4)
    for row, ax in enumerate(figure.axes):
        W = plane.parameters["W"][-1, 4 * row + losses[row].argmin()]
        ends = np.array([line.get_xydata()[0] for line in ax.lines[1::2]])
        np.testing.assert_allclose(ends, W.T, rtol=1e-6)
        corners = ax.patches[1].get_xy()
        assert {tuple(corner) for corner in corners.round(5)} <= {tuple(end) for end in ends.round(5)}
    colours = [line.get_color() for line in figure.axes[0].lines[::2]]
    # Three sets of two.
    assert colours[0] == colours[1] != colours[2] == colours[3]


def test_every_feature_that_is_long_enough_is_named_once(plane):
    for ax in plot_intro(plane).axes:
        named = [int(i) for text in ax.texts for i in text.get_text().split(", ")]
        ends = np.array([line.get_xydata()[0] for line in ax.lines[1::2]])
        assert sorted(named) == [i for i, end in enumerate(ends) if np.linalg.norm(end) > 0.15]
