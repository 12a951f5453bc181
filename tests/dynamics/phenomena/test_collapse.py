"""Collapsed sets of features, planted."""

import numpy as np
import pytest

from dyn.dynamics.phenomena.collapse import collapsed_sets, set_cosines


def directions(*degrees: float) -> np.ndarray:
    angle = np.radians(degrees)
    return np.array([np.cos(angle), np.sin(angle)])


def test_a_hexagon_has_not_collapsed():
    W = directions(0, 60, 120, 180, 240, 300)
    np.testing.assert_allclose(set_cosines(W, 3), 1 / 2)
    assert collapsed_sets(W, 3) == 0


def test_principal_components_are_collapsed_sets():
    # Pairs in the same direction, of whatever length; the last pair at right angles.
    W = directions(10, 10, 100, 100, 200, 290) * [1, 3, 0.7, 0.7, 1, 1]
    np.testing.assert_allclose(set_cosines(W, 3), [1, 1, 0], atol=1e-12)
    assert collapsed_sets(W, 3) == 2


def test_of_more_than_two_the_farthest_apart_count():
    W = directions(0, 0, 90, 45, 45, 45)
    np.testing.assert_allclose(set_cosines(W, 2), [0, 1], atol=1e-12)


def test_an_unlearned_feature_has_no_direction():
    W = directions(0, 0)
    W[:, 1] = 0
    assert set_cosines(W, 1) == 0
    assert collapsed_sets(W, 1) == 0


def test_leading_axes_are_batched():
    W = np.stack([directions(0, 0, 50, 50), directions(0, 60, 90, 90)])
    np.testing.assert_array_equal(collapsed_sets(np.stack([W, W[::-1]]), 2), [[2, 1], [1, 2]])


@pytest.mark.parametrize("sets", [0, -1, 4, 6])
def test_sets_that_do_not_divide_the_features_are_refused(sets):
    with pytest.raises(ValueError, match=f"sets={sets}"):
        set_cosines(np.ones((2, 6)), sets)
