"""The moments over cut cubes against simplices, whose moments are factorials, and against their invariances."""

from math import factorial

import numpy as np
import pytest

from dyn.dynamics.theory import cut_cubes
from dyn.dynamics.theory.cut_cubes import active_moments

# A few hundred roundings of double precision; every moment here is at most 1.
EXACT = 1e-14


def moments(a, c, weights=None) -> np.ndarray:
    """The moments of one row, (n+1, n+1); on the whole cube unless *weights* says otherwise."""
    a = np.asarray(a, dtype=float)
    weights = np.eye(len(a) + 1)[-1] if weights is None else np.asarray(weights, dtype=float)
    return active_moments(a[None], np.array([c], dtype=float), weights[:, None])[..., 0]


def simplex_moments(n: int) -> np.ndarray:
    """∫ x̃ x̃ᵀ over Σ x_j < 1, by Dirichlet's integral: 1, x_j, x_j² and x_j x_k give 0! 1! 2! 1! over (n + degree)!."""
    M = np.full((n + 1, n + 1), 1 / factorial(n + 2)) + np.diag(np.full(n + 1, 1 / factorial(n + 2)))
    M[0, :] = M[:, 0] = 1 / factorial(n + 1)
    M[0, 0] = 1 / factorial(n)
    return M


@pytest.mark.parametrize("scale", [1e-300, 1e-9, 1.0, 1e9])
@pytest.mark.parametrize("n", [1, 2, 3, 6])
def test_a_simplex_has_the_moments_of_dirichlet(n, scale):
    # Halfspaces are cones: the scale of (c, a) must not matter, however small.
    np.testing.assert_allclose(moments([-scale] * n, scale), simplex_moments(n), rtol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 3, 6])
def test_the_rest_of_the_cube_has_the_rest_of_the_moments(n):
    whole = np.full((n + 1, n + 1), 1 / 4) + np.diag(np.full(n + 1, 1 / 12))
    whole[0, :] = whole[:, 0] = 1 / 2
    whole[0, 0] = 1
    np.testing.assert_allclose(moments([1] * n, -1), whole - simplex_moments(n), atol=EXACT)
    np.testing.assert_allclose(moments([1] * n, 0), whole, atol=EXACT)
    np.testing.assert_allclose(moments([-1] * n, 0), 0, atol=0)


def test_each_level_sums_over_the_supports_of_its_size():
    # Of Σ x_j < 1 every support of k features holds a simplex, and feature j is in C(n-1, k-1) of them.
    n = 4
    for k, supports, with_j, with_both in [(0, 1, 0, 0), (1, 4, 1, 0), (2, 6, 3, 1), (3, 4, 3, 2), (4, 1, 1, 1)]:
        M = moments([-1] * n, 1, np.eye(n + 1)[k])
        assert M[0, 0] == pytest.approx(supports / factorial(k), abs=EXACT)
        assert M[1, 0] == pytest.approx(with_j / factorial(k + 1), abs=EXACT)
        assert M[1, 1] == pytest.approx(2 * with_j / factorial(k + 2), abs=EXACT)
        assert M[1, 2] == pytest.approx(with_both / factorial(k + 2), abs=EXACT)


def test_a_feature_that_hardly_matters_is_independent_of_the_cut():
    # A slope of size ε moves the cut by about ε, and so the moments.
    alone = moments([0.7, -1.1], 0.1)
    for slope in (0.0, 1e-300, -1e-17, 1e-13, -1e-13):
        M = moments([0.7, -1.1, slope], 0.1)
        np.testing.assert_allclose(M[:3, :3], alone, atol=1e-12)
        np.testing.assert_allclose(M[:3, 3], alone[0] / 2, atol=1e-12)
        assert M[3, 3] == pytest.approx(alone[0, 0] / 3, abs=1e-12)


def test_mirroring_a_coordinate_mirrors_its_moments():
    # x_0 -> 1 - x_0 turns c + a·x into (c + a_0) - a_0 x_0 + ….
    a, c = np.array([0.8, -0.3, 0.5]), -0.4
    M, mirrored = moments(a, c), moments(a * [-1, 1, 1], c + a[0])
    turn = np.eye(4)
    turn[1, 0], turn[1, 1] = 1, -1
    np.testing.assert_allclose(turn @ M @ turn.T, mirrored, atol=EXACT)


def test_an_output_that_is_zero_throughout_is_inactive():
    assert not moments([0.0, 0.0], 0.0, [1, 1, 1]).any()


def test_rows_do_not_depend_on_the_block_they_are_in(monkeypatch):
    rng = np.random.default_rng(0)
    a, c, weights = rng.normal(size=(50, 3)), rng.normal(size=50), rng.random((4, 50))
    together = active_moments(a, c, weights)
    monkeypatch.setattr(cut_cubes, "_BLOCK", 1)
    np.testing.assert_array_equal(active_moments(a, c, weights), together)
