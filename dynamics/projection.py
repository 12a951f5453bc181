"""Which three directions of the hidden space a picture shows."""

import numpy as np

from .signals import Signal, stripes

# A feature whose length, once the chosen directions are taken out of it, falls below this fraction of the longest
# one brings no direction of its own.
_NEGLIGIBLE = 0.1
# The first part of a run, in which every feature moves, says little about which ones a picture should follow.
_TRANSIENT = 0.1


def projection(W: np.ndarray, dimensionality: Signal) -> np.ndarray:
    """Return an orthonormal basis P (3, m) to look at a run through, P W_i being the place of feature i.

    Up to three hidden dimensions are shown as they are (missing ones as 0). Of more, the directions of those features
    that end in three different directions and whose dimensionality moved most after the first tenth of the run: an
    antipodal pair is one direction, so five digons of which three moved show as an octahedron.

    Shapes: W (T, m, n), dimensionality (T, n), which is read a few features at a time -> (3, m).
    """
    m = W.shape[1]
    if m <= 3:
        return np.eye(3, m)
    first = int(_TRANSIENT * dimensionality.shape[0])
    movement = np.concatenate([np.ptp(values[first:], axis=0) for _, values in stripes(dimensionality)])
    return _pivoted_directions(W[-1], np.nan_to_num(movement))


def _pivoted_directions(W: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return three orthonormal directions by Gram-Schmidt, the heaviest of the columns that are left coming next."""
    rest = np.nan_to_num(W.astype(float))
    longest = np.linalg.norm(rest, axis=0).max()
    basis = []
    for axis in range(3):
        length = np.linalg.norm(rest, axis=0)
        usable = length > max(_NEGLIGIBLE * longest, np.finfo(float).tiny)
        if usable.any():
            chosen = np.argmax(np.where(usable, weight * length, -1.0))
            direction = rest[:, chosen] / length[chosen]
        else:
            direction = _any_other_direction(basis, W.shape[0], axis)
        basis.append(direction)
        rest = rest - np.outer(direction, direction @ rest)
    return np.array(basis)


def _any_other_direction(basis: list[np.ndarray], m: int, axis: int) -> np.ndarray:
    """Return a unit vector orthogonal to *basis*: the last of an orthonormal system that begins with it."""
    system, _ = np.linalg.qr(np.column_stack([*basis, np.eye(m)]))
    return system[:, axis]
