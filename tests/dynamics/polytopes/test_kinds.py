"""Kinds of features: those of shapes whose symmetries are known."""

import numpy as np
import pytest

from dyn.dynamics.polytopes.kinds import in_words, kinds
from dyn.dynamics.polytopes.shapes import vertices

# The orbits of each shape's symmetry group, the smallest first.
ORBITS = {
    "pentagon": "5",
    "capped octahedron": "1+3+3",
    "square antiprism": "8",
    "triaugmented triangular prism": "3+6",
    "sphenocorona": "2+2+2+4",
    "diminished icosahedron": "1+5+5",
    "1-4-4": "1+4+4",
    "rectified 5-cell": "10",
    "2+3+6": "2+3+6",
    "1+4+6": "1+4+6",
    "2-3 duoantiprism": "12",
}


@pytest.mark.parametrize("name", ORBITS)
def test_kinds_are_the_orbits_of_the_symmetry_group(name):
    rng = np.random.default_rng(1)
    V = vertices(name)
    turn, _ = np.linalg.qr(rng.normal(size=(len(V), len(V))))
    # Errors far below the tolerance, in any order.
    W = (turn @ V)[:, rng.permutation(V.shape[1])] + 1e-6 * rng.normal(size=V.shape)
    assert in_words(kinds(W.T @ W)) == ORBITS[name]


def test_equal_lengths_and_cosines_of_the_same_values_are_not_enough():
    # A path of four: its ends are alike and its middles are, though all lengths are 1.
    G = np.eye(4) + 0.3 * (np.eye(4, k=1) + np.eye(4, k=-1))
    assert kinds(G).tolist() == [kinds(G)[0], kinds(G)[1], kinds(G)[1], kinds(G)[0]]
    assert in_words(kinds(G)) == "2+2"


def test_without_a_symmetry_all_kinds_differ():
    W = np.random.default_rng(2).normal(size=(3, 7))
    assert len(set(kinds(W.T @ W).tolist())) == 7
    assert in_words(kinds(W.T @ W)) == "7×1"


def test_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"\(n, n\)"):
        kinds(np.zeros((2, 3)))
