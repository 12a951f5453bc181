"""The catalogue of polytopes: what a group of equal features may form, given by the vertices.

Each entry is indecomposable. A tegum product puts polytopes into orthogonal spaces, so it is told as several entries:
an octahedron is three digons, a square two, a triangular bipyramid a triangle and a digon (see wholes.whole).
"""

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from .learned import learned
from .points import cube, dodecahedron, icosahedron, layers, polygon, simplex

# Beyond so many vertices neighbours of a polygon, and the cosines of a simplex, are within the noise.
LARGEST = 24
# Vertices are of one kind where their cosines with the others are the same to this.
_ALIKE = 1e-3
# At this height W W^T of two layers is a multiple of 1, which gives all vertices the same D.
_EVEN = 3**-0.5


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

    @cached_property
    def kinds(self) -> tuple[int, ...]:
        """One vertex of each kind: those of a regular polytope are all alike, a cap is none of the corners below it."""
        rows = np.sort(self.cosines, axis=1)
        alike = (np.abs(rows[:, None] - rows) < _ALIKE).all(axis=-1)
        return tuple(np.unique(alike.argmax(axis=1)).tolist())


def vertices(name: str) -> np.ndarray:
    """Return the vertices of the polytope called *name* as columns of length 1.

    Names are those of the energy levels (*digon*, *square antiprism*, …), *k-simplex* for k of 4 and more, *k-gon* for
    k of 6 and more (either of up to 24 vertices), *cube*, *icosahedron*, *dodecahedron*, *triangular prism*,
    *pentagonal prism*, those of learned.py, and *merged*, two features in one direction.

    Shapes: (rank, k). Raises ValueError for a name that is not in the catalogue.
    Source: Toy Models of Superposition, "The Geometry of Superposition".
    """
    size, _, family = name.partition("-")
    if family in ("gon", "simplex") and size.isdecimal():
        sizes = [int(size) + (family == "simplex")]
    else:
        sizes = [1, 2, *range(3, 13), 20]
    for shape in (shape for k in sizes for shape in shapes(k)):
        if shape.name == name:
            return shape.vertices
    raise ValueError(f"name={name!r} is not in the catalogue; known: a level's polytope, k-gon, k-simplex, cube, …")


@cache
def shapes(k: int) -> tuple[Shape, ...]:
    """Return the catalogue's polytopes of *k* vertices, of the lowest rank first.

    The square antiprism is there twice, with D = 3/8 and as training leaves it.
    """
    if k > LARGEST:
        return ()
    found = [Shape("merged", np.ones((1, k)))] if k > 1 else []
    if k >= 5:
        found.append(Shape("pentagon" if k == 5 else f"{k}-gon", polygon(k)))
    found += [Shape(name, points) for name, points in [*_solids(k).items(), *learned(k).items()]]
    names = {1: "dedicated", 2: "digon", 3: "triangle", 4: "tetrahedron"}
    found.append(Shape(names.get(k, f"{k - 1}-simplex"), simplex(k)))
    return tuple(sorted(found, key=lambda shape: shape.rank))


def _solids(k: int) -> dict[str, np.ndarray]:
    """Return the solids of *k* vertices that are all alike, with the same D."""
    rings = {6: "triangular prism", 10: "pentagonal prism"}
    if k in rings:
        return {rings[k]: layers((_EVEN, polygon(k // 2)), (-_EVEN, polygon(k // 2)))}
    if k == 8:
        antiprism = layers((_EVEN, polygon(4)), (-_EVEN, polygon(4, np.pi / 4)))
        return {"square antiprism": antiprism, "cube": cube()}
    return {12: {"icosahedron": icosahedron()}, 20: {"dodecahedron": dodecahedron()}}.get(k, {})
