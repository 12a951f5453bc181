"""The polyhedron: what is drawn where, seen by its camera."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from dyn.viz.parts.polyhedron import ELEVATION, Polyhedron, _camera
from dyn.viz.parts.style import PALETTE

OCTAHEDRON = np.vstack([np.eye(3), -np.eye(3)])


@pytest.fixture
def polyhedron():
    ax = Figure().add_subplot()
    return Polyhedron(ax, [*[PALETTE[0]] * 3, *[PALETTE[1]] * 3], [0, 0, 0, 1, 1, 1], radius=1.0)


def parts(polyhedron: Polyhedron):
    """Return faces, lines of the hull, lines of the features, the dots of each set, and the visible labels."""
    faces, lines, *rest = polyhedron.artists
    dots, labels = rest[:2], [label for label in rest[2:] if label.get_visible()]
    segments = np.array(lines.get_segments())
    return faces.get_paths(), segments[:-6], segments[-6:], dots, labels


def test_an_octahedron(polyhedron):
    polyhedron.move(OCTAHEDRON, azimuth=0.4)
    faces, edges, rays, dots, labels = parts(polyhedron)
    assert (len(faces), len(edges), len(rays), len(labels)) == (8, 12, 6, 6)
    assert [len(each.get_offsets()) for each in dots] == [3, 3]
    # Antipodal features lie on one line through the middle of the picture.
    ends = sorted(tuple(np.round(ray[1] / np.linalg.norm(ray[1]), 6)) for ray in rays)
    assert all((round(-x, 6), round(-y, 6)) in ends for x, y in ends)


def test_the_lines_of_the_graph_join_what_shares_a_dimension(polyhedron):
    polyhedron.move(OCTAHEDRON, azimuth=0.4, W=OCTAHEDRON.T)
    _, lines, rays, _, _ = parts(polyhedron)
    # Of the octahedron's pairs, the three digons share a dimension: 0 with 3, 1 with 4, 2 with 5.
    joins = lines[12:]
    assert len(joins) == 3
    tips = {tuple(np.round(ray[1], 9)) for ray in rays}
    for join in joins:
        assert {tuple(np.round(end, 9)) for end in join} <= tips
        # The line goes through the middle, so its ends are on opposite sides of it.
        assert join[0] @ join[1] < 0


def test_lines_of_the_graph_come_and_go_gently(polyhedron):
    def strength(cosine: float) -> float:
        """Return how dark the line between two features at this cosine is."""
        W = np.eye(7)[:, :6]
        W[0, 1], W[1, 1] = cosine, np.sqrt(1 - cosine**2)
        polyhedron.move(OCTAHEDRON, azimuth=0.4, W=W)
        joins = polyhedron.artists[1].get_colors()[12:-6]
        return float(joins[0][3]) if len(joins) else 0.0

    strengths = [strength(cosine) for cosine in (0.2, 0.25, 0.3, 0.35, 0.6, 0.9)]
    assert strengths[0] == 0
    assert (np.diff(strengths) > 0).all()


def test_what_lies_in_other_dimensions_is_faint(polyhedron):
    W = np.vstack([OCTAHEDRON.T, np.zeros((1, 6))])
    W[3, 4] = 3.0
    polyhedron.move(OCTAHEDRON, azimuth=0.4, W=W)
    rays = polyhedron.artists[1].get_colors()[-6:]
    assert np.argmin(rays[:, 3]) == np.argsort(_depths(0.4))[:6].tolist().index(4)
    assert "4" not in [label.get_text() for label in parts(polyhedron)[4]]


def _depths(azimuth: float) -> np.ndarray:
    return (OCTAHEDRON @ _camera(azimuth, ELEVATION).T)[:, 2]


@pytest.mark.parametrize(
    ("points", "faces", "edges"),
    [
        (OCTAHEDRON * [1, 1, 0], 2, 4),
        (OCTAHEDRON * [1, 0, 0], 0, 1),
        (np.zeros((6, 3)), 0, 0),
        (np.full((6, 3), np.nan), 0, 0),
    ],
    ids=["flat", "line", "point", "not a number"],
)
def test_sets_that_are_no_solid(polyhedron, points, faces, edges):
    polyhedron.move(points, azimuth=0.0)
    drawn = parts(polyhedron)
    assert (len(drawn[0]), len(drawn[1])) == (faces, edges)


def test_short_features_carry_no_label(polyhedron):
    polyhedron.move(OCTAHEDRON * [[1], [1], [0.1], [1], [1], [0.1]], azimuth=0.0)
    assert [label.get_text() for label in parts(polyhedron)[4]] == ["0", "1", "3", "4"]


def test_labels_of_features_in_one_place_stand_side_by_side(polyhedron):
    polyhedron.move(np.repeat([[1.0, 0, 0], [0, 1.0, 0]], 3, axis=0), azimuth=0.3)
    places = np.array([label.get_position() for label in parts(polyhedron)[4]])
    for i in range(6):
        others = np.delete(places, i, axis=0) - places[i]
        assert (np.abs(others) >= (0.07, 0.06)).any(axis=1).all()


def test_the_camera_rotates_and_nothing_else():
    camera = _camera(1.1)
    # A product of two rotations in double precision.
    np.testing.assert_allclose(camera @ camera.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(camera) == pytest.approx(1)
    assert (camera @ [0, 0, 1])[1] > 0.9
