"""Curvatures across rotations: against projectors, and a hill whose curvatures are known."""

import numpy as np
import pytest
import torch

from dyn.dynamics.landscape import curvature
from dyn.dynamics.landscape.derivatives import LossPoint
from dyn.dynamics.landscape.surfaces import PopulationSurface
from dyn.dynamics.landscape.symmetries import Across, rotations
from dyn.dynamics.training.feature_data import FeatureDistribution

RNG = np.random.default_rng(0)
# A few roundings of double precision.
EXACT = 1e-12


def wine_bottle(x: torch.Tensor) -> torch.Tensor:
    """A hill in a round valley, (|x|² - 1)²: curvatures 12 r² - 4 along x and 4 (r² - 1) across it."""
    return (x.square().sum() - 1) ** 2


@pytest.mark.parametrize(("r", "hidden", "index"), [(0.5, 2, 1), (0.9, 0, 0), (2.0, 0, 0)])
def test_a_slope_makes_curvatures_along_a_rotation_that_are_none_across_it(r, hidden, index):
    # A column of two numbers: W (2, 1), turned by one rotation.
    x = r * np.array([[np.cos(0.3)], [np.sin(0.3)]])
    across = curvature(wine_bottle, x, symmetries=rotations(x))
    np.testing.assert_allclose(across.eigenvalues, [12 * r**2 - 4], rtol=EXACT)
    assert (across.size, across.saddle_index) == (1, index)
    whole = curvature(wine_bottle, x, tolerance=0)
    np.testing.assert_allclose(whole.eigenvalues, np.sort([12 * r**2 - 4, 4 * (r**2 - 1)]), atol=EXACT * 50)
    assert whole.saddle_index == (1 if r == 0.9 else hidden)


@pytest.mark.parametrize("m", [2, 3, 5])
def test_each_plane_turns_once(m):
    W, b = RNG.normal(size=(m, 7)), RNG.normal(size=7)
    tangents = rotations(W, b)
    assert tangents.shape == (m * (m - 1) // 2, 7 * (m + 1))
    # A turn by a small angle moves W by that much; its overlaps W^T W stay.
    for tangent in tangents:
        turned = tangent[: 7 * m].reshape(m, 7)
        np.testing.assert_allclose(W.T @ turned + turned.T @ W, 0, atol=EXACT)
        np.testing.assert_array_equal(tangent[7 * m :], 0)


@pytest.mark.parametrize("exact_up_to", [600, 10], ids=["all of them", "Lanczos"])
def test_they_are_those_of_the_projected_hessian(exact_up_to):
    W, b = RNG.normal(size=(4, 12)) / 2, RNG.normal(size=12) / 10
    tangents = rotations(W, b)
    surface = PopulationSurface(FeatureDistribution(12, 0.3), [0.9**i for i in range(12)], blur=0.05)
    Q = np.linalg.qr(tangents.T).Q
    P = np.eye(60) - Q @ Q.T
    values, vectors = np.linalg.eigh(P @ LossPoint(surface, (W, b)).hessian() @ P)
    expected = values[np.square(Q.T @ vectors).sum(axis=0) < 0.5]
    found = curvature(surface, W, b, symmetries=tangents, exact_up_to=exact_up_to)
    assert found.size == len(expected) == 54
    # Lanczos' method knows eigenvalues to 1e-8 of the greatest, about 5.
    np.testing.assert_allclose(found.eigenvalues[:10], expected[:10], atol=1e-7)
    np.testing.assert_allclose(found.eigenvalues[-10:], expected[-10:], atol=1e-7)
    assert found.gradient_norm > 0.1


def test_dependent_directions_count_once():
    x = np.array([3.0, 0.0, 0.0, 0.0])
    point = LossPoint(wine_bottle, (x,))
    twice = np.array([[0, 1.0, 0, 0], [0, -2.0, 0, 0], [0, 1.0, 1e-3, 0]])
    assert Across(point, twice).size == 2


@pytest.mark.parametrize("W", [np.zeros((3, 4)), np.ones((1, 4))], ids=["nothing to turn", "one dimension"])
def test_where_nothing_turns_nothing_is_left_out(W):
    assert curvature(wine_bottle, W, symmetries=rotations(W)).size == W.size
