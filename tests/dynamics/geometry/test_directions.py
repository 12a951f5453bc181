"""Directions of the hidden space: where a run reaches farthest, and those that show some features as they are."""

import numpy as np
import pytest

from dyn.dynamics.geometry.directions import directions_of, principal_directions

# A product of a few rotations in double precision.
ROUNDING = 1e-12


@pytest.fixture
def turned():
    """Axes of a five-dimensional space, as columns, in no particular directions."""
    return np.linalg.qr(np.random.default_rng(0).normal(size=(5, 5)))[0]


def test_the_farthest_directions_come_first(turned):
    lengths = np.array([3.0, 0.5, 2.0, 0.1, 1.0])
    W = np.stack([0.5 * turned * lengths, turned * lengths])
    shown = principal_directions(W) @ turned
    np.testing.assert_allclose(np.abs(shown), np.eye(5)[[0, 2, 4]], atol=ROUNDING)


def test_matrices_may_come_one_by_one(turned):
    W = np.stack([turned * [3.0, 0.5, 2.0, 0.1, 1.0], turned * [1.0, 2.0, 0.3, 0.2, 1.5]])
    np.testing.assert_array_equal(principal_directions(iter(W)), principal_directions(W))


def test_missing_dimensions_are_shown_as_nothing():
    basis = principal_directions(np.array([[1.0, -2.0], [0.0, 0.0]]))
    np.testing.assert_allclose(np.abs(basis), [[1, 0], [0, 1], [0, 0]], atol=ROUNDING)


def test_a_run_that_diverges_has_directions_too(turned):
    W = np.stack([turned, np.full((5, 5), np.nan)])
    basis = principal_directions(W)
    np.testing.assert_allclose(basis @ basis.T, np.eye(3), atol=ROUNDING)


@pytest.mark.parametrize("features", [[1], [3, 1], [4, 0, 2]])
def test_chosen_features_are_shown_at_their_full_length(turned, features):
    W = turned * [3.0, 0.5, 2.0, 0.1, 1.0]
    basis = directions_of(W, features)
    np.testing.assert_allclose(basis @ basis.T, np.eye(3), atol=ROUNDING)
    np.testing.assert_allclose(np.linalg.norm(basis @ W, axis=0)[features], np.linalg.norm(W, axis=0)[features])


def test_the_room_that_they_leave_goes_to_the_longest_others(turned):
    W = turned * [3.0, 0.5, 2.0, 0.1, 1.0]
    shown = np.linalg.norm(directions_of(W, [3]) @ W, axis=0)
    np.testing.assert_allclose(shown, [3.0, 0.0, 2.0, 0.1, 0.0], atol=1e-7)


def test_a_pentagon_keeps_its_angles(turned):
    angles = 2 * np.pi * np.arange(5) / 5
    W = turned[:, :2] @ np.stack([np.cos(angles), np.sin(angles)])
    shown = directions_of(W, range(5)) @ W
    np.testing.assert_allclose(shown.T @ shown, W.T @ W, atol=ROUNDING)


@pytest.mark.parametrize("features", [[], [5], [-1]])
def test_features_that_are_not_there_are_refused(turned, features):
    with pytest.raises(ValueError, match="features 0 to 4"):
        directions_of(turned, features)


def test_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"\(3,\)"):
        principal_directions(np.zeros(3))
