"""The Hessian across the directions in which a symmetry of the loss moves a point."""

from itertools import combinations

import numpy as np

from .derivatives import LossPoint

# Tangents span no direction in which they are below this fraction of the longest.
_DEPENDENT = 1e-10


def rotations(W: np.ndarray, *others: np.ndarray) -> np.ndarray:
    """Return how the rotations of hidden space move W, A W for each plane's generator A; nothing else turns with it.

    Shapes: W (m, n), *others* any -> (m (m - 1) / 2, N), all parameters flattened one after the other.
    """
    still = np.zeros(sum(np.size(each) for each in others))
    tangents = np.zeros((0, W.size + len(still)))
    for i, j in combinations(range(len(W)), 2):
        turned = np.zeros(W.shape)
        turned[i], turned[j] = -W[j], W[i]
        tangents = np.vstack([tangents, np.r_[turned.ravel(), still]])
    return tangents


class Across:
    """The Hessian of a loss on the space orthogonal to *tangents* (k, N), in an orthonormal basis of that space.

    With P the projector on it, its eigenvalues are those of P H P there: the Hessian of the loss on the quotient by the
    symmetry. Along the tangents themselves a loss that slopes has curvatures -g·A²θ / |Aθ|², which tell of the slope
    and of nothing else. *size* is N less the rank of the tangents.

    Source: Absil, Mahony and Sepulchre 2008, "Optimization Algorithms on Matrix Manifolds", chapter 5.3.
    """

    def __init__(self, point: LossPoint, tangents: np.ndarray):
        self._point = point
        self.loss, self.gradient, self.scale = point.loss, point.gradient, point.scale
        _, lengths, directions = np.linalg.svd(tangents, full_matrices=False)
        S = directions[lengths > _DEPENDENT * lengths.max(initial=0)].T
        self._rank = S.shape[1]
        self.size = point.size - self._rank
        # Q = I - V K⁻¹ V^T is a reflection that takes S to the first axes, turned by the polar factor of its top.
        U, _, Wh = np.linalg.svd(S[: self._rank])
        self._V = S.copy()
        self._V[: self._rank] += U @ Wh
        self._K = self._V.T @ self._V / 2

    def product(self, v: np.ndarray) -> np.ndarray:
        """Return H v; shapes (size,) -> (size,)."""
        lifted = self._reflect(np.r_[np.zeros(self._rank), v])
        return self._reflect(self._point.product(lifted))[self._rank :]

    def hessian(self) -> np.ndarray:
        """Return H, shape (size, size)."""
        turned = self._reflect(self._reflect(self._point.hessian()).T)[self._rank :, self._rank :]
        return (turned + turned.T) / 2

    def _reflect(self, x: np.ndarray) -> np.ndarray:
        """Return Q x, or Q times each column."""
        return x - self._V @ np.linalg.solve(self._K, self._V.T @ x)
