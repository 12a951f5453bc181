"""The catalogue of polytopes: what a group of equal features may form, given by the vertices.

Each entry is indecomposable. A tegum product puts polytopes into orthogonal spaces, so it is told as several entries:
an octahedron is three digons, a square two, a triangular bipyramid a triangle and a digon.
"""

from dataclasses import dataclass
from functools import cache, cached_property
from itertools import product

import numpy as np

# Beyond so many vertices neighbours of a polygon, and the cosines of a simplex, are within the noise.
LARGEST = 24
_GOLDEN = (1 + 5**0.5) / 2


@dataclass(frozen=True, eq=False)
class Shape:
    """One polytope: its name, and the unit vectors of its k vertices as columns, of shape (rank, k)."""

    name: str
    vertices: np.ndarray

    @property
    def rank(self) -> int:
        """The dimensions that the polytope spans."""
        return len(self.vertices)

    @cached_property
    def cosines(self) -> np.ndarray:
        """The cosines between the vertices, of shape (k, k)."""
        return self.vertices.T @ self.vertices


def vertices(name: str) -> np.ndarray:
    """Return the vertices of the polytope called *name* as columns of length 1.

    Names are those of the energy levels (*digon*, *square antiprism*, …), *k-simplex* for k of 4 and more, *k-gon* for
    k of 6 and more (either of up to 24 vertices), *cube*, *icosahedron*, *dodecahedron*, and *merged*, two features
    in one direction.

    Shapes: (rank, k). Raises ValueError for a name that is not in the catalogue.
    Source: Toy Models of Superposition, "The Geometry of Superposition".
    """
    size, _, family = name.partition("-")
    if family in ("gon", "simplex") and size.isdecimal():
        sizes = [int(size) + (family == "simplex")]
    else:
        sizes = [1, 2, 3, 4, 5, 8, 12, 20]
    for shape in (shape for k in sizes for shape in shapes(k)):
        if shape.name == name:
            return shape.vertices
    raise ValueError(f"name={name!r} is not in the catalogue; known: a level's polytope, k-gon, k-simplex, cube, …")


@cache
def shapes(k: int) -> tuple[Shape, ...]:
    """Return the catalogue's polytopes of *k* vertices, of the lowest rank first."""
    if k > LARGEST:
        return ()
    found = [Shape("merged", np.ones((1, k)))] if k > 1 else []
    if k >= 5:
        found.append(Shape("pentagon" if k == 5 else f"{k}-gon", _polygon(k)))
    if k in _SOLIDS:
        found += [Shape(name, points / np.linalg.norm(points, axis=0)) for name, points in _SOLIDS[k]().items()]
    simplex = {1: "dedicated", 2: "digon", 3: "triangle", 4: "tetrahedron"}
    return (*found, Shape(simplex.get(k, f"{k - 1}-simplex"), _simplex(k)))


def _polygon(k: int, turn: float = 0.0) -> np.ndarray:
    angles = turn + 2 * np.pi * np.arange(k) / k
    return np.stack([np.cos(angles), np.sin(angles)])


def _simplex(k: int) -> np.ndarray:
    """Return k unit vectors in k - 1 dimensions that are all -1/(k - 1) to each other; for k = 1 the one of a line."""
    if k == 1:
        return np.ones((1, 1))
    # The corners of the standard simplex, seen in the space orthogonal to (1, …, 1).
    basis = np.linalg.svd(np.ones((1, k)))[2][1:]
    return basis * np.sqrt(k / (k - 1))


def _of_eight() -> dict[str, np.ndarray]:
    cube = np.array(list(product((-1, 1), repeat=3))).T
    # Rings at the height 1/√3 make W W^T a multiple of 1, which gives all eight D = 3/8.
    rings = [np.vstack([np.sqrt(2) * _polygon(4, turn), np.full(4, z)]) for turn, z in ((0, 1), (np.pi / 4, -1))]
    return {"square antiprism": np.hstack(rings), "cube": cube}


def _cyclic(points: list[tuple[float, float, float]]) -> np.ndarray:
    return np.array([point[-turn:] + point[:-turn] for point in points for turn in range(3)]).T


def _of_twelve() -> dict[str, np.ndarray]:
    return {"icosahedron": _cyclic([(0, a, b * _GOLDEN) for a, b in product((-1, 1), repeat=2)])}


def _of_twenty() -> dict[str, np.ndarray]:
    cube = np.array(list(product((-1, 1), repeat=3))).T
    rest = _cyclic([(0, a / _GOLDEN, b * _GOLDEN) for a, b in product((-1, 1), repeat=2)])
    return {"dodecahedron": np.hstack([cube, rest])}


_SOLIDS = {8: _of_eight, 12: _of_twelve, 20: _of_twenty}
