"""Feature graphs: an edge for each pair that is not orthogonal, the polytopes by name."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy.linalg import block_diag
from scipy.stats import ortho_group

from dyn.viz.parts.feature_graphs import _packed, _radius, draw_feature_graph, names_in

ANGLES = 2 * np.pi * np.arange(5) / 5
PENTAGON = np.array([np.cos(ANGLES), np.sin(ANGLES)])
DIGON = np.array([[1.0, -1.0]])


def parts(W: np.ndarray):
    """Return the number of edges and of dots of each group, and the words."""
    ax = plt.figure().add_subplot()
    draw_feature_graph(ax, W)
    edges = [len(each.get_segments()) for each in ax.collections]
    dots = [len(line.get_xdata()) for line in ax.lines]
    return edges, dots, ax.texts[0].get_text()


def test_a_pentagon_and_three_digons_in_any_orientation():
    W = ortho_group.rvs(6, random_state=0)[:, :5] @ block_diag(PENTAGON, DIGON, DIGON, DIGON)
    edges, dots, words = parts(np.column_stack([W, np.zeros(6)]))
    # Each two features of a pentagon overlap, by cos 72° or cos 144°.
    assert edges == [10, 1, 1, 1]
    assert dots == [5, 2, 2, 2]
    assert words.replace("\n", " ") == "pentagon, 3 digons"


def test_neighbours_on_the_circle_are_neighbours_in_the_pentagon():
    ax = plt.figure().add_subplot()
    draw_feature_graph(ax, PENTAGON[:, [0, 3, 1, 4, 2]])
    places = ax.lines[0].get_xydata()
    # The features were given in the order 0, 3, 1, 4, 2 of the pentagon's corners.
    around = places[np.argsort([0, 3, 1, 4, 2])]
    sides = np.linalg.norm(around - np.roll(around, 1, axis=0), axis=1)
    np.testing.assert_allclose(sides, sides[0])
    assert sides[0] < np.linalg.norm(around[0] - around[2])


@pytest.mark.parametrize(("W", "expected"), [(PENTAGON, {"pentagon"}), (np.eye(3), set()), (np.zeros((2, 3)), set())])
def test_what_forms_polytopes(W, expected):
    assert names_in(W) == expected


def test_nothing_represented_is_said():
    assert parts(np.zeros((2, 3)))[2] == "nothing"


def test_circles_do_not_overlap():
    radii = [_radius(count) for count in (150, 12, 8, 5, 5, 3, *[2] * 20, 1)]
    centres = _packed(radii)
    for i, a in enumerate(centres):
        for j in range(i):
            assert np.linalg.norm(a - centres[j]) >= radii[i] + radii[j]
