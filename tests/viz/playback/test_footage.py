"""The footage: what a run looks like at any step, read as needed."""

import numpy as np
import pytest
import torch

import dyn
from dyn.dynamics.errors import SettingError
from dyn.recorders.reading.selection import select
from dyn.viz.playback.footage import Footage


@pytest.fixture(scope="module")
def footage(geometry):
    return Footage(select(geometry))


@pytest.fixture
def sparse(tmp_path):
    """Three rows, at the steps 0, 100 and 101, of which each W is known."""
    model = torch.nn.Linear(2, 3, bias=False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with dyn.attach(model, optimizer, tmp_path / "run.h5", every=100):
        for step in range(101):
            model.weight.data[:] = torch.arange(6.0).reshape(3, 2) + step
            model.weight.grad = torch.zeros(3, 2)
            optimizer.step()
    with dyn.open(tmp_path / "run.h5") as recording:
        yield recording


def test_at_a_row_it_is_the_row(footage, geometry):
    W = geometry.parameters["W"][:]
    for row in (0, 1, 1234, 3000):
        np.testing.assert_array_equal(footage.weights(row), W[row])


def test_between_rows_it_goes_in_a_straight_line(sparse):
    footage = Footage(select(sparse))
    assert footage.step.tolist() == [0, 100, 101]
    for step in (0, 25, 50, 99.5, 100):
        # Halves and quarters of whole numbers are exact.
        np.testing.assert_allclose(footage.weights(step), np.arange(6.0).reshape(3, 2) + step)


def test_before_and_after_the_run_it_rests(sparse):
    footage = Footage(select(sparse))
    np.testing.assert_array_equal(footage.weights(-5), footage.weights(0))
    np.testing.assert_array_equal(footage.weights(500), footage.weights(101))


def test_it_looks_closer_where_the_run_moves(footage):
    step = footage.looks.step
    assert (np.diff(step) > 0).all()
    assert (step[0], step[-1]) == (0, 3000)
    # The features grow in the first 200 steps and turn slowly after step 2500.
    assert np.diff(step[step <= 200]).mean() < 0.7 * np.diff(step[step >= 2500]).mean()


def test_a_long_run_is_read_in_windows(geometry, monkeypatch):
    """Never all of it at once, however many rows there are."""
    monkeypatch.setattr("dyn.viz.playback.footage._READ_AHEAD", 8 * 18 * 50)
    footage = Footage(select(geometry))
    W = geometry.parameters["W"][:]
    for step in np.linspace(0, 3000, 77):
        row = int(step)
        expected = W[row].astype(float) + (step - row) * (W[min(row + 1, 3000)].astype(float) - W[row])
        np.testing.assert_allclose(footage.weights(step), expected)
        assert len(footage._window) <= 50


def test_three_dimensions_are_shown_as_they_are(footage):
    W = np.random.default_rng(0).normal(size=(3, 6))
    np.testing.assert_array_equal(footage.points(W), W.T)
    assert footage.space == "the 3 hidden dimensions"


@pytest.mark.parametrize(
    ("project", "words"),
    [("moving", "move most"), ("pca", "principal components"), ((0, 2), "features 0, 2"), ("0,2", "features 0, 2")],
)
def test_more_than_three_are_projected(ensemble, project, words):
    footage = Footage(select(ensemble, instance=1), project)
    W = footage.weights(200)
    assert W.shape == (4, 5)
    points = footage.points(W)
    assert points.shape == (5, 3)
    assert (np.linalg.norm(points, axis=1) <= np.linalg.norm(W, axis=0) + 1e-9).all()
    assert words in footage.space
    assert footage.space.startswith("3 of 4")


def test_chosen_features_are_seen_at_full_length(ensemble):
    footage = Footage(select(ensemble, instance=2), [1, 3])
    W = footage.weights(200)
    np.testing.assert_allclose(np.linalg.norm(footage.points(W), axis=1)[[1, 3]], np.linalg.norm(W, axis=0)[[1, 3]])


def test_the_radius_holds_every_look(footage):
    assert np.linalg.norm(footage.looks.points, axis=-1).max() == footage.radius


@pytest.mark.parametrize("project", ["sideways", "", "1,x", [-1], [5]])
def test_a_projection_that_cannot_be_had_is_named(ensemble, project):
    with pytest.raises(SettingError, match="project="):
        Footage(select(ensemble), project)


def test_it_can_be_made_again(footage, geometry):
    again = Footage.again(footage.source, geometry)
    assert again.story is footage.story
    np.testing.assert_array_equal(again.weights(77), footage.weights(77))
