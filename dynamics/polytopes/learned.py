"""The polytopes that training forms and that are no product: what n equal features become in three and four dimensions.

Each is a minimum of the exact population loss at density 0.05 and importance 1 that training reached (24 seeds, Adam at
1e-2 falling to 0 over 8 000 steps of 512 samples, then Newton steps on landscape.surfaces.PopulationSurface with
blur=0.003 until the gradient vanished). What its symmetry leaves open, the heights of its layers, is given to three
digits, as seen there; n, m, and what the loss is:

    capped octahedron             7  3  .00926    an octahedron, and one more over a face; symmetry C3v
    square antiprism              8  3  .01593    a little flatter than the one with D = 3/8
    triaugmented triangular prism 9  3  .02614    D3h
    sphenocorona                 10  3  .03931    C2v: its 22 edges and two square faces, not its equal lengths
    edge-contracted icosahedron  11  3  .05540    C2v: an edge is one corner
    diminished icosahedron       11  3  .05539    C5v: a corner is missing; by 12 features, one dropped
    1-4-4                         9  4  .00989    a 16-cell, and one more over a cell; Td
    rectified 5-cell             10  4  .01449    also the Petersen code: cosines 1/6 and -2/3
    2+3+6                        11  4  .02321    D3h
    1+4+6                        11  4  .02319    Td: a corner, a tetrahedron and an octahedron over it
    2-3 duoantiprism             12  4  .03000    a triangle at each corner of a square, every other one turned by 60°

The pentagon is the first of the family of 2m + 1 features, of which the capped octahedron and 1-4-4 are the next.
"""

from itertools import combinations

import numpy as np

from .points import layers, mirrored, normalised, orthoplex, pole, polygon, simplex

_Named = dict[str, np.ndarray]


def learned(k: int) -> _Named:
    """Return the polytopes of *k* vertices, by name; shapes (rank, k)."""
    return {name: points() for name, points in _LEARNED.items() if _SIZES[name] == k}


def _capped_octahedron() -> np.ndarray:
    return layers((1, pole(2)), (0.249, polygon(3, np.pi / 3)), (-0.664, polygon(3)))


def _square_antiprism() -> np.ndarray:
    return layers((0.531, polygon(4)), (-0.531, polygon(4, np.pi / 4)))


def _triaugmented_prism() -> np.ndarray:
    return layers((0.716, polygon(3)), (-0.716, polygon(3)), (0, polygon(3, np.pi / 3)))


def _sphenocorona() -> np.ndarray:
    return mirrored((0, 0.536, 0.844), (0.831, 0.525, 0.183), (0, 0.913, -0.408), (0.580, 0, -0.815))


def _edge_contracted_icosahedron() -> np.ndarray:
    return mirrored((0, 0, 1), (0.842, 0, 0.539), (0.508, 0.844, 0.169), (0.867, 0, -0.499), (0, 0.589, -0.808))


def _diminished_icosahedron() -> np.ndarray:
    return layers((1, pole(2)), (0.356, polygon(5)), (-0.602, polygon(5, np.pi / 5)))


def _one_four_four() -> np.ndarray:
    return layers((1, pole(3)), (0.211, -simplex(4)), (-0.566, simplex(4)))


def _rectified_simplex() -> np.ndarray:
    corners = simplex(5)
    return normalised(np.stack([corners[:, i] + corners[:, j] for i, j in combinations(range(5), 2)], axis=1))


def _two_three_six() -> np.ndarray:
    pair = np.array([[0.0, 0.0], [0.0, 0.0], [1.0, -1.0]])
    prism = layers((0.646, polygon(3, np.pi)), (-0.646, polygon(3, np.pi)))
    return layers((0.730, pair), (0.329, np.vstack([polygon(3), np.zeros(3)])), (-0.376, prism))


def _one_four_six() -> np.ndarray:
    # The corners of the tetrahedron among those of the cube about the octahedron.
    tetrahedron = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]).T / np.sqrt(3)
    return layers((1, pole(3)), (-0.650, tetrahedron), (0.273, orthoplex(3)))


def _duoantiprism() -> np.ndarray:
    # In the plane of the squares each corner has a length of 0.699, and in that of the triangles one of 0.715.
    blocks = [
        np.vstack([np.repeat(0.699 * corner[:, None], 3, axis=1), 0.715 * (-1) ** place * polygon(3)])
        for place, corner in enumerate(polygon(4).T)
    ]
    return normalised(np.hstack(blocks))


_LEARNED = {
    "capped octahedron": _capped_octahedron,
    "square antiprism": _square_antiprism,
    "triaugmented triangular prism": _triaugmented_prism,
    "sphenocorona": _sphenocorona,
    "edge-contracted icosahedron": _edge_contracted_icosahedron,
    "diminished icosahedron": _diminished_icosahedron,
    "1-4-4": _one_four_four,
    "rectified 5-cell": _rectified_simplex,
    "2+3+6": _two_three_six,
    "1+4+6": _one_four_six,
    "2-3 duoantiprism": _duoantiprism,
}
_SIZES = {name: points().shape[1] for name, points in _LEARNED.items()}
