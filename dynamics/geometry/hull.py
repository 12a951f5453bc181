"""The convex hull of a set of features in space, also where they lie in a plane, on a line or in a point."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import ConvexHull

# Points thinner than this fraction of their extent count as flat: a picture shows no difference, and qhull needs none.
_FLAT = 0.01
# Points closer together than this fraction of their distance from the origin are one; it is rounding, not extent.
_SAME = 1e-9
# The corners of a triangle across from each of its corners.
_SIDES = np.array([[1, 2], [2, 0], [0, 1]])
# Faces whose unit normals differ by less than this are one face; 0.02 rad is about a degree.
_COPLANAR = 0.02


@dataclass(frozen=True)
class Hull:
    """A convex hull: *faces* (k, 3) triangles and *edges* (l, 2), as indices of the points; *rank* 0 to 3.

    Triangles of one flat face are listed on their own, but the lines that divide it are no edges.
    """

    faces: np.ndarray
    edges: np.ndarray
    rank: int


def convex_hull(points: np.ndarray) -> Hull:
    """Return the hull of *points* (k, 3).

    Raises ValueError when points has another shape or holds a value that is not finite.
    """
    points = np.asarray(points, dtype=float)
    if points.ndim != 2 or points.shape[1] != 3:
        raise ValueError(f"points must have shape (k, 3), got {points.shape}")
    if not np.isfinite(points).all():
        raise ValueError("points holds values that are not finite; leave those rows out")
    if not len(points):
        return Hull(_no(3), _no(2), 0)
    centred = points - points.mean(axis=0)
    _, extent, axes = np.linalg.svd(centred, full_matrices=False)
    rank = int((extent > max(_FLAT * extent[0], _SAME * abs(points).max())).sum())
    if rank == 3:
        return _solid(points)
    if rank == 2:
        return _polygon(centred @ axes[:2].T)
    if rank == 1:
        along = centred @ axes[0]
        return Hull(_no(3), np.array([[along.argmin(), along.argmax()]]), 1)
    return Hull(_no(3), _no(2), 0)


def _solid(points: np.ndarray) -> Hull:
    hull = ConvexHull(points)
    normals = hull.equations[:, :3]
    # The neighbour k of a face lies across the edge between its other two corners.
    sides = hull.simplices[:, _SIDES]
    bent = np.linalg.norm(normals[:, None] - normals[hull.neighbors], axis=2) > _COPLANAR
    ends = np.sort(sides[bent], axis=1)
    numbers = np.unique(ends[:, 0] * len(points) + ends[:, 1])
    return Hull(hull.simplices, np.column_stack(np.divmod(numbers, len(points))), 3)


def _polygon(flat: np.ndarray) -> Hull:
    ring = ConvexHull(flat).vertices
    fan = np.column_stack([np.full(len(ring) - 2, ring[0]), ring[1:-1], ring[2:]])
    return Hull(fan, np.column_stack([ring, np.roll(ring, -1)]), 2)


def _no(corners: int) -> np.ndarray:
    return np.empty((0, corners), dtype=int)
