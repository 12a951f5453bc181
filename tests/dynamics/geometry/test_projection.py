"""The projection shows the directions in which something happens."""

import numpy as np
import pytest

from dyn.dynamics.geometry.directions import projection


@pytest.mark.parametrize("m", [1, 2, 3])
def test_up_to_three_dimensions_are_shown_as_they_are(m):
    np.testing.assert_array_equal(projection(np.ones((4, m, 5)), np.ones((4, 5))), np.eye(3, m))


def five_digons(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return W (T, 5, 10) that ends as five digons in general position, and D of which features 0, 3 and 8 move."""
    rotation, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(5, 5)))
    final = rotation @ np.repeat(np.eye(5), 2, axis=1) * np.tile([1, -1], 5)
    D = np.full((20, 10), 0.5)
    D[5:10, [0, 3, 8]] = 0.0
    return np.repeat(final[None], 20, axis=0), D


@pytest.mark.parametrize("seed", range(5))
def test_three_digons_that_moved_show_as_an_octahedron(seed):
    W, D = five_digons(seed)
    basis = projection(W, D)
    # Double precision, well conditioned.
    np.testing.assert_allclose(basis @ basis.T, np.eye(3), atol=1e-12)
    seen = basis @ W[-1]
    shown = [0, 1, 2, 3, 8, 9]
    np.testing.assert_allclose(np.linalg.norm(seen, axis=0)[shown], 1, atol=1e-12)
    np.testing.assert_allclose(np.delete(seen, shown, axis=1), 0, atol=1e-12)


def test_what_moves_in_the_transient_only_does_not_count():
    W, D = five_digons(0)
    D[0, 4] = 40.0
    assert np.linalg.norm(projection(W, D) @ W[-1][:, 4]) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("fill", [0.0, np.nan])
def test_without_three_directions_the_basis_is_filled_up(fill):
    W = np.full((3, 5, 4), fill)
    W[-1, 0, 0] = 1.0
    basis = projection(W, np.zeros((3, 4)))
    np.testing.assert_allclose(basis @ basis.T, np.eye(3), atol=1e-12)
