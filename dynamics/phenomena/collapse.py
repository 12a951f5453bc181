"""Collapse of correlated features: sets that share one direction, their principal component."""

import numpy as np

from ..geometry.measures import gram, norms

# Directions 18 degrees apart count as one; side by side in a hexagon features are 60 degrees apart.
_ALIGNED = 0.95


def set_cosines(W: np.ndarray, sets: int) -> np.ndarray:
    """Return for each set the smallest cosine between two of its features; 0 where one of them is a zero column.

    Shapes: W (..., m, n), the sets being equal groups of neighbouring columns -> (..., sets). Raises ValueError where
    *sets* does not divide n, or leaves one feature in each.
    Source: Toy Models of Superposition, "Collapsing of Correlated Features".
    """
    n = W.shape[-1]
    size = n // sets if sets > 0 and n % sets == 0 else 0
    if size < 2:
        raise ValueError(f"sets={sets} must divide the {n} columns of W {W.shape} into sets of two or more")
    length = norms(W)[..., None, :]
    cosines = gram(W / (length + (length == 0)))
    groups = [cosines[..., start : start + size, start : start + size] for start in range(0, n, size)]
    return np.stack([group.min((-2, -1)) for group in groups], axis=-1)


def collapsed_sets(W: np.ndarray, sets: int) -> np.ndarray:
    """Return how many sets have collapsed, each to one direction: all cosines within it at least 0.95.

    Then the model represents (a + b)/√2 of two correlated features, and ignores (a - b)/√2. Shapes: W (..., m, n) ->
    (...). Raises ValueError as set_cosines() does.
    Source: Toy Models of Superposition, "Collapsing of Correlated Features".
    """
    return (set_cosines(W, sets) >= _ALIGNED).sum(-1)
