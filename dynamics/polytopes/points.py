"""Unit vectors that polytopes are put together from, as columns."""

from itertools import product

import numpy as np

_GOLDEN = (1 + 5**0.5) / 2


def polygon(k: int, turn: float = 0.0) -> np.ndarray:
    """Return the k corners of a regular polygon, the first one at the angle *turn*; (2, k)."""
    angles = turn + 2 * np.pi * np.arange(k) / k
    return np.stack([np.cos(angles), np.sin(angles)])


def simplex(k: int) -> np.ndarray:
    """Return k unit vectors in k - 1 dimensions that are all -1/(k - 1) to each other; for k = 1 the one of a line."""
    if k == 1:
        return np.ones((1, 1))
    # The corners of the standard simplex, seen in the space orthogonal to (1, …, 1).
    basis = np.linalg.svd(np.ones((1, k)))[2][1:]
    return basis * np.sqrt(k / (k - 1))


def orthoplex(m: int) -> np.ndarray:
    """Return both ends of each of m axes; (m, 2m)."""
    return np.hstack([np.eye(m), -np.eye(m)])


def cube() -> np.ndarray:
    """Return the corners of a cube, (±1, ±1, ±1) / √3; (3, 8)."""
    return np.array(list(product((-1, 1), repeat=3))).T / np.sqrt(3)


def icosahedron() -> np.ndarray:
    """Return the corners of an icosahedron, all turns of (0, ±1, ±φ); (3, 12)."""
    return normalised(_cyclic([(0, a, b * _GOLDEN) for a, b in product((-1, 1), repeat=2)]))


def dodecahedron() -> np.ndarray:
    """Return the corners of a dodecahedron, those of a cube and all turns of (0, ±1/φ, ±φ); (3, 20)."""
    rest = _cyclic([(0, a / _GOLDEN, b * _GOLDEN) for a, b in product((-1, 1), repeat=2)])
    return np.hstack([cube(), normalised(rest)])


def pole(dimensions: int) -> np.ndarray:
    """Return the layer of layers() that is the axis itself, which is nothing across it; (dimensions, 1)."""
    return np.zeros((dimensions, 1))


def layers(*each: tuple[float, np.ndarray]) -> np.ndarray:
    """Return points on a sphere in layers along its axis: each at a height, in directions across it.

    Shapes: heights in [-1, 1] and directions (rank - 1, k) -> (rank, Σk).
    """
    parts = [np.vstack([np.sqrt(1 - z**2) * across, np.full(across.shape[1], z)]) for z, across in each]
    return np.hstack(parts)


def mirrored(*points: tuple[float, float, float]) -> np.ndarray:
    """Return points (x, y, z), brought to the sphere, with their images in the planes x = 0 and y = 0; (3, k)."""
    signs = list(product((1, -1), repeat=2))
    images = {(a * x or 0.0, b * y or 0.0, z): None for x, y, z in points for a, b in signs}
    return normalised(np.array(list(images)).T)


def normalised(columns: np.ndarray) -> np.ndarray:
    """Return columns brought to length 1."""
    return columns / np.linalg.norm(columns, axis=0)


def _cyclic(points: list[tuple[float, float, float]]) -> np.ndarray:
    return np.array([point[-turn:] + point[:-turn] for point in points for turn in range(3)]).T
