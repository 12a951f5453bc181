"""Which of several groups that share features is there: the one that makes their cosines likeliest."""

import numpy as np

from .patterns import Pattern

# So large a part of their squared lengths may the noise of the vectors be.
_NOISE = np.geomspace(1e-9, 1, 300)


def log_evidence(pattern: Pattern, cosines: np.ndarray, m: int) -> float:
    """Return by how much likelier the cosines are of a shape with noise than of directions at random, in logarithms.

    Of normal vectors with the covariance S = (1 - noise) T + noise between each other, T the cosines of the shape,
    that is -m / 2 (log |S| + tr S⁻¹ C - k), at the noise where it is largest.

    Shapes: cosines C (k, k) in m dimensions, in the order of the pattern.
    """
    eigenvalues, vectors = np.linalg.eigh(pattern.cosines)
    found = np.einsum("ik,ij,jk->k", vectors, cosines, vectors)
    expected = (1 - _NOISE[:, None]) * eigenvalues + _NOISE[:, None]
    return -m / 2 * float((np.log(expected) + found / expected - 1).sum(axis=1).min())
