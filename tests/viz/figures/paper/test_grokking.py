"""The grokking figure: losses and accuracy as recorded, the power of the embedding, and the waves of the neurons."""

import numpy as np
import pytest

from dyn.dynamics.errors import SettingError
from dyn.dynamics.phenomena.waves import wave_power, wave_shares
from dyn.viz import plot_grokking


@pytest.fixture(scope="module")
def addition(record_short):
    sizes = {"n_features": 11, "n_hidden": 16, "batch_size": 33}
    with record_short("grokking", steps=60, **sizes) as recording:
        yield recording


def test_losses_and_accuracy_are_those_recorded(addition):
    figure = plot_grokking(addition)
    upper = figure.axes[0]
    trained, others, restricted, excluded, _ = upper.lines
    # The final row has no minibatch.
    np.testing.assert_array_equal(trained.get_ydata(), addition.scalars["loss"][:-1])
    np.testing.assert_array_equal(others.get_ydata(), addition.scalars["test_loss"][:])
    for line, name in ((restricted, "restricted_loss"), (excluded, "excluded_loss")):
        np.testing.assert_array_equal(line.get_ydata(), addition.scalars[name][:])
    right = next(ax for ax in figure.axes if ax.get_ylabel() == "test accuracy" and ax is not upper)
    np.testing.assert_array_equal(right.lines[0].get_ydata(), addition.scalars["test_accuracy"][:])


def test_maps_show_the_waves_of_all_neurons_at_both_ends(addition):
    figure = plot_grokking(addition)
    maps = [ax for ax in figure.axes if ax.images]
    neurons = addition.parameters["V"][:].astype(float) @ addition.parameters["E"][:]
    for ax, row in zip(maps, (0, -1), strict=True):
        shown = np.ma.getdata(ax.images[0].get_array())
        shares = wave_shares(neurons[row])
        assert shown.shape == (32, 5)
        # The product of single precision weights.
        np.testing.assert_allclose(np.sort(shown.ravel()), np.sort(shares.ravel()), atol=1e-6)


def test_the_power_of_every_frequency_is_drawn(addition):
    lower = next(ax for ax in plot_grokking(addition).axes if ax.get_ylabel() == "power of the embedding")
    drawn = np.stack([line.get_ydata() for line in lower.lines], axis=1)
    np.testing.assert_allclose(drawn, wave_power(addition.parameters["E"][:]))


def test_another_training_is_named(geometry):
    with pytest.raises(SettingError, match="'grokking' shows"):
        plot_grokking(geometry)
