"""Convex hulls of solids, and of sets so thin that they are none."""

import itertools

import numpy as np
import pytest

from dyn.dynamics.geometry.hull import convex_hull

OCTAHEDRON = np.vstack([np.eye(3), -np.eye(3)])
CUBE = np.array(list(itertools.product([0.0, 1.0], repeat=3)))
TETRAHEDRON = CUBE[[0, 3, 5, 6]]
SQUARE = np.array([[0, 0, 1], [2, 0, 1], [2, 2, 1], [0, 2, 1]], dtype=float)


def edge_lengths(points: np.ndarray) -> np.ndarray:
    edges = convex_hull(points).edges
    return np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1)


@pytest.mark.parametrize(
    ("points", "faces", "edges", "length"),
    [(OCTAHEDRON, 8, 12, np.sqrt(2)), (CUBE, 12, 12, 1), (TETRAHEDRON, 4, 6, np.sqrt(2))],
    ids=["octahedron", "cube", "tetrahedron"],
)
def test_solids(points, faces, edges, length):
    hull = convex_hull(points)
    assert (hull.rank, hull.faces.shape, hull.edges.shape) == (3, (faces, 3), (edges, 2))
    # The diagonals of the cube's faces would be √2 long.
    np.testing.assert_allclose(edge_lengths(points), length)


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_a_hull_has_no_scale(scale):
    assert len(convex_hull(scale * CUBE).edges) == 12


def test_points_inside_are_no_corners():
    hull = convex_hull(np.vstack([OCTAHEDRON, np.zeros((1, 3)), 0.1 * OCTAHEDRON]))
    assert set(hull.faces.ravel()) == set(hull.edges.ravel()) == set(range(6))


@pytest.mark.parametrize("bump", [0.0, 0.001])
def test_a_flat_set_is_a_polygon(bump):
    points = np.vstack([SQUARE, [[1, 1, 1 + bump]]])
    hull = convex_hull(points)
    assert hull.rank == 2
    # The fan covers the square, whatever its order: its triangles have the area of the whole.
    a, b, c = points[hull.faces].swapaxes(0, 1)
    assert np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2 == pytest.approx(4)
    assert {frozenset(edge) for edge in hull.edges} == {frozenset((k, (k + 1) % 4)) for k in range(4)}


def test_points_on_a_line_have_the_outermost_as_their_edge():
    points = np.outer([0.3, -1.0, 0.1, 2.0], [1.0, 2.0, -1.0]) + 5
    hull = convex_hull(points)
    assert (hull.rank, hull.faces.shape) == (1, (0, 3))
    assert {*hull.edges.ravel()} == {1, 3}


@pytest.mark.parametrize("k", [0, 1, 2, 3, 7])
def test_coincident_points_have_no_edge(k):
    # Their mean is a rounding error away from them, which is no extent.
    hull = convex_hull(np.tile([0.1, 0.7, 0.3], (k, 1)))
    assert (hull.rank, len(hull.faces), len(hull.edges)) == (0, 0, 0)


@pytest.mark.parametrize("shape", [(3,), (4, 2), (2, 4, 3)])
def test_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"\(k, 3\)"):
        convex_hull(np.zeros(shape))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(value):
    with pytest.raises(ValueError, match="finite"):
        convex_hull(np.where(CUBE == 1, value, CUBE))
