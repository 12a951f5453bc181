"""Which shapes are there not only because a matrix has a few large singular values, which crowd random directions too.

A layer that was trained prefers some directions. Columns drawn at random with its covariance crowd there, and form as
many pentagons and tetrahedra by chance as the layer itself does; directions at random of all of space do not.
"""

from collections.abc import Sequence

import numpy as np

from ..polytopes.identification import Polytope
from .judging import can_decide, judge

# Singular values below this share of the largest are noise, and are left out.
_NOISE = 0.05


def whitened(W: np.ndarray) -> np.ndarray:
    """Return W with all its singular values alike, U Vᵀ of W = U S Vᵀ, without those that are noise.

    Features that have some dimensions to themselves, such as a digon or a pentagon, keep their shape: a regular one
    fills its dimensions evenly. Columns at random with a covariance become columns at random of all of space.

    Shapes: W (m, n) -> (m, n).
    """
    U, sigma, Vt = np.linalg.svd(W, full_matrices=False)
    kept = sigma > _NOISE * sigma.max(initial=0)
    return U[:, kept] @ Vt[kept]


def lasting(W: np.ndarray, parts: Sequence[Polytope], share: float) -> list[Polytope]:
    """Return those groups that the matrix W (m, n) forms also when all its singular values are alike.

    share is that of the chance of a false name, as judge() takes it. Where directions alone cannot decide, in one or
    two dimensions, all are.
    """
    if not parts or not can_decide(*W.shape):
        return [*parts]
    found = {(part.name, part.features) for part in judge(whitened(W), share=share).shaped}
    return [part for part in parts if (part.name, part.features) in found]
