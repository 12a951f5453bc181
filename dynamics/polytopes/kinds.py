"""Which features of a matrix play the same part: 1 + 3 + 3 of a capped octahedron."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

# Overlaps are one value where no gap between those that follow each other is wider than this.
ALIKE = 2e-3


def kinds(G: np.ndarray, *, tolerance: float = ALIKE) -> np.ndarray:
    """Return a number for each of n features, the same for those whose overlaps with the others are alike, (n,).

    Two features are of one kind where each value of G = W^T W occurs as often in the row of one, with the features of
    each kind, as in that of the other: the coarsest such division, found by dividing until nothing changes. Features
    that a symmetry exchanges are of one kind; the converse holds for every shape of the catalogue.

    Shapes: G (n, n), symmetric -> (n,) of 0, 1, … Raises ValueError for another shape.
    Source: Weisfeiler and Leman 1968, colour refinement, with values on the edges.
    """
    G = np.asarray(G, dtype=np.float64)
    if G.ndim != 2 or G.shape[0] != G.shape[1]:
        raise ValueError(f"G must have shape (n, n), got {G.shape}; give W^T W")
    values = _numbered(G, tolerance)
    colours = values.diagonal().copy()
    while True:
        rows = [(colour, *sorted(zip(colours, row, strict=True))) for colour, row in zip(colours, values, strict=True)]
        order = {row: k for k, row in enumerate(sorted(set(rows)))}
        divided = np.array([order[row] for row in rows])
        if len(order) == len(set(colours.tolist())):
            return divided
        colours = divided


def in_words(found: Sequence[int] | np.ndarray) -> str:
    """Return how many features there are of each kind, such as ``1+3+3``, or ``4×1+3×2`` of many kinds."""
    sizes = sorted(Counter(np.asarray(found).tolist()).values())
    several = Counter(sizes)
    if len(sizes) <= _MOST_KINDS:
        return "+".join(map(str, sizes))
    return "+".join(f"{count}×{size}" for size, count in several.items())


_MOST_KINDS = 5


def _numbered(G: np.ndarray, tolerance: float) -> np.ndarray:
    """Return a number for each value of G, the same for values that are one to within the tolerance."""
    flat = G.ravel()
    order = np.argsort(flat)
    numbers = np.empty(len(flat), dtype=np.int64)
    numbers[order] = np.cumsum(np.diff(flat[order], prepend=flat[order[0]] if len(flat) else 0.0) > tolerance)
    return numbers.reshape(G.shape)
