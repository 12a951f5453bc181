"""Alignment: taking out the rotation of hidden space and the order of the features, which mean nothing."""

from dataclasses import dataclass

import numpy as np


def procrustes(W0: np.ndarray, W1: np.ndarray) -> np.ndarray:
    """Return the Q in O(m), rotation or reflection, that brings W0 nearest to W1: Q = argmin |W1 - Q W0|.

    Shapes: W0 and W1 (..., m, n) -> (..., m, m). Costs O(m² n + m³). Raises ValueError when the shapes differ.
    Source: Schönemann 1966, A generalized solution of the orthogonal Procrustes problem.
    """
    W0, W1 = np.asarray(W0, dtype=np.float64), np.asarray(W1, dtype=np.float64)
    if W0.ndim < 2 or W0.shape != W1.shape:
        raise ValueError(f"W0 and W1 must have the same shape (..., m, n), got {W0.shape} and {W1.shape}")
    U, _, V = np.linalg.svd(W1 @ W0.mT)
    return U @ V


def align_steps(W: np.ndarray) -> np.ndarray:
    """Return the rows of a run, each turned onto the one before, so that what still moves are the features.

    A row's Q_t minimises |Q_t W_t - Q_{t-1} W_{t-1}| over O(m). Turning all features together changes no loss; the
    optimizer's noise does it all the same.

    Shapes: W (T, m, n) -> (T, m, n), float64; row 0 stays as it is. Linear in T. Raises ValueError when W has not
    three axes.
    """
    W = np.asarray(W, dtype=np.float64)
    if W.ndim != 3:
        raise ValueError(f"W must have shape (T, m, n), one row a step, got shape {W.shape}")
    turns = procrustes(W[1:], W[:-1])
    aligned, turn = W.copy(), np.eye(W.shape[1])
    for row, onto_previous in enumerate(turns, 1):
        turn = turn @ onto_previous
        aligned[row] = turn @ W[row]
    return aligned


@dataclass(frozen=True, eq=False)
class Alignment:
    """One run brought onto another: W1 ≈ rotation @ W0[:, permutation].

    rotation is in O(m), (m, m); permutation is (n,): feature j of W1 is feature permutation[j] of W0; residual is
    |W1 - rotation @ W0[:, permutation]| / |W1|.
    """

    rotation: np.ndarray
    permutation: np.ndarray
    residual: float


def align_runs(W0: np.ndarray, W1: np.ndarray, *, starts: int = 20, seed: int = 0) -> Alignment:
    """Return the rotation of hidden space and the order of features that bring one run's W0 nearest to another's W1.

    Minimises |W1 - Q W0 Π| over O(m) and the permutations in turn: the best Q for the features as they are matched, the
    best matching for the Q, until neither changes. That ends in a minimum which need not be the lowest, so it starts
    several times: from the features that have the most alike cosines with all others, from the order as given, and
    from random rotations. The best is returned.

    Shapes: W0 and W1 (m, n). Raises ValueError when the shapes differ or starts is less than 1.
    Source: Besl & McKay 1992, A method for registration of 3-D shapes (iterative closest point), with one-to-one pairs.
    """
    W0, W1 = np.asarray(W0, dtype=np.float64), np.asarray(W1, dtype=np.float64)
    if W0.ndim != 2 or W0.shape != W1.shape:
        raise ValueError(f"W0 and W1 must have the same shape (m, n), got {W0.shape} and {W1.shape}")
    if starts < 1:
        raise ValueError(f"starts={starts} must be at least 1")
    rng = np.random.default_rng(seed)
    orders = [_alike(W0, W1), np.arange(W0.shape[1])]
    while len(orders) < starts:
        orders.append(_matched(np.linalg.qr(rng.normal(size=(len(W0), len(W0)))).Q @ W0, W1))
    return min((_alternate(W0, W1, order) for order in orders[:starts]), key=lambda found: found.residual)


def _alternate(W0: np.ndarray, W1: np.ndarray, permutation: np.ndarray) -> Alignment:
    """Go from a matching down to the nearest minimum."""
    residual = np.inf
    while True:
        rotation = procrustes(W0[:, permutation], W1)
        permutation = _matched(rotation @ W0, W1)
        previous, residual = residual, float(np.linalg.norm(W1 - rotation @ W0[:, permutation]))
        # Each half step lowers the residual or leaves it; a gain within rounding is none.
        if residual >= previous * (1 - 1e-12):
            size = np.linalg.norm(W1)
            return Alignment(rotation, permutation, float(residual / size) if size else residual)


def _matched(W0: np.ndarray, W1: np.ndarray) -> np.ndarray:
    """Return for each feature of W1 the one of W0 that it is matched with, Σ W0_i · W1_j being the largest."""
    from scipy.optimize import linear_sum_assignment

    return linear_sum_assignment(W1.T @ W0, maximize=True)[1]


def _alike(W0: np.ndarray, W1: np.ndarray) -> np.ndarray:
    """Match the features by their norms and sorted inner products with all others, which no rotation changes."""
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    one, other = (np.sort(W.T @ W, axis=1) for W in (W1, W0))
    return linear_sum_assignment(cdist(one, other, "sqeuclidean"))[1]
