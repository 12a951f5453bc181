"""The grokking figure: losses and accuracy as recorded, and the waves of the embedding."""

import numpy as np
import pytest

from dyn.dynamics.errors import SettingError
from dyn.dynamics.phenomena.waves import wave_shares
from dyn.viz import plot_grokking


@pytest.fixture(scope="module")
def addition(record_short):
    sizes = {"n_features": 11, "n_hidden": 16, "batch_size": 60}
    with record_short("grokking", steps=60, **sizes) as recording:
        yield recording


def test_losses_and_accuracy_are_those_recorded(addition):
    figure = plot_grokking(addition)
    upper = figure.axes[0]
    trained, others, _ = upper.lines
    np.testing.assert_array_equal(trained.get_ydata(), addition.scalars["loss"][:])
    np.testing.assert_array_equal(others.get_ydata(), addition.scalars["test_loss"][:])
    right = next(ax for ax in figure.axes if ax.get_ylabel() == "test accuracy" and ax is not upper)
    np.testing.assert_array_equal(right.lines[0].get_ydata(), addition.scalars["test_accuracy"][:])


def test_maps_show_the_waves_of_all_neurons_at_both_ends(addition):
    figure = plot_grokking(addition)
    maps = [ax for ax in figure.axes if ax.images]
    E = addition.parameters["E"][:].astype(float)
    for ax, row in zip(maps, (0, -1), strict=True):
        shown = np.ma.getdata(ax.images[0].get_array())
        shares = wave_shares(E[row])
        assert shown.shape == (16, 5)
        np.testing.assert_allclose(np.sort(shown.ravel()), np.sort(shares.ravel()), atol=1e-12)


def test_another_training_is_named(geometry):
    with pytest.raises(SettingError, match="'grokking' shows"):
        plot_grokking(geometry)
