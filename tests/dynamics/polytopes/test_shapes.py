"""The catalogue's vertices against what defines each polytope."""

import numpy as np
import pytest

from dyn.dynamics.geometry.measures import dimensionality
from dyn.dynamics.levels import LEVELS
from dyn.dynamics.polytopes.learned import learned
from dyn.dynamics.polytopes.shapes import LARGEST, shapes, vertices

# A few hundred roundings of double precision.
EXACT = 1e-12

ALL = [shape for k in range(1, LARGEST + 1) for shape in shapes(k)]
LEARNED = {name for k in range(1, LARGEST + 1) for name in learned(k)}
# Rank, and the cosines of a vertex with the others, of the solids.
SOLIDS = {
    "cube": [-1] + [-1 / 3] * 3 + [1 / 3] * 3,
    "icosahedron": [-1] + [-1 / 5**0.5] * 5 + [1 / 5**0.5] * 5,
    "dodecahedron": [-1] + [-(5**0.5) / 3] * 3 + [-1 / 3] * 6 + [1 / 3] * 6 + [5**0.5 / 3] * 3,
}


@pytest.mark.parametrize("shape", ALL, ids=lambda shape: f"{shape.name}, {shape.vertices.shape[1]}")
def test_vertices_have_the_length_1_and_span_the_rank(shape):
    assert np.linalg.matrix_rank(shape.vertices) == shape.rank
    np.testing.assert_allclose(np.diag(shape.cosines), 1, atol=EXACT)


@pytest.mark.parametrize(
    "shape",
    [shape for shape in ALL if shape.name not in LEARNED or shape.name == "rectified 5-cell"],
    ids=lambda shape: f"{shape.name}, {shape.vertices.shape[1]}",
)
def test_vertices_are_alike(shape):
    assert len(shape.kinds) == 1
    rows = np.sort(shape.cosines, axis=1)
    np.testing.assert_allclose(rows, np.broadcast_to(rows[0], rows.shape), atol=EXACT)
    # Alike vertices that span their space evenly share it evenly.
    np.testing.assert_allclose(dimensionality(shape.vertices), shape.rank / shape.vertices.shape[1], atol=EXACT)


@pytest.mark.parametrize("level", [level for level in LEVELS if level.dimensionality], ids=lambda level: level.polytope)
def test_every_energy_level_has_its_polytope(level):
    np.testing.assert_allclose(dimensionality(vertices(level.polytope)), float(level.dimensionality), atol=EXACT)


@pytest.mark.parametrize("k", [1, 2, 3, 4, 5, 9])
def test_the_corners_of_a_simplex_are_equally_far_apart(k):
    simplex = shapes(k)[-1]
    expected = np.where(np.eye(k, dtype=bool), 1, -1 / max(1, k - 1))
    np.testing.assert_allclose(simplex.cosines, expected, atol=EXACT)


@pytest.mark.parametrize("k", [5, 6, 12])
def test_neighbours_of_a_polygon_are_a_kth_of_a_turn_apart(k):
    polygon = vertices("pentagon" if k == 5 else f"{k}-gon")
    neighbours = (polygon * np.roll(polygon, 1, axis=1)).sum(0)
    np.testing.assert_allclose(neighbours, np.cos(2 * np.pi / k), atol=EXACT)


@pytest.mark.parametrize("name", SOLIDS)
def test_the_solids_have_their_angles(name):
    points = vertices(name)
    np.testing.assert_allclose(np.sort(points[:, 0] @ points), [*SOLIDS[name], 1], atol=EXACT)


def test_no_two_of_the_catalogue_have_the_same_cosines():
    # A name is given within 0.15, and of two that are, the nearer one.
    for k in range(2, 9):
        values = [(shape.name, np.sort(shape.cosines[np.triu_indices(k, 1)])) for shape in shapes(k)]
        for i, (name, one) in enumerate(values):
            for _, other in [each for each in values[:i] if each[0] != name]:
                assert np.sqrt(np.square(one - other).mean()) > 0.15


@pytest.mark.parametrize("name", ["4-gon", "2-simplex", "octahedron", "25-gon", "", "digons"])
def test_what_is_not_in_the_catalogue_has_no_vertices(name):
    with pytest.raises(ValueError, match="not in the catalogue"):
        vertices(name)
