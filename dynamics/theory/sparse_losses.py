"""The losses on the sparsest inputs, L_0 and L_1, by exact integration, and the gradient of L_1.

L = Σ_k p^k (1-p)^(n-k) L_k, where L_k sums the loss over all inputs with k features on, each uniform on [0, 1]. As
p -> 0 the first two terms dominate. The model is y = ReLU(W^T W x + b), W has shape (..., m, n), b (..., n), and the
importance is one number or one for each feature, (..., n).

Source: Toy Models of Superposition, "Superposition as a Phase Change", the expansion of L in L_k.
"""

from typing import Any, NamedTuple

import numpy as np

from .arguments import model_arrays


class OneSparseTerms(NamedTuple):
    """What each feature adds to L_1, of shape (..., n): feature_benefit + interference, summed over n, is L_1."""

    feature_benefit: np.ndarray
    interference: np.ndarray


class ParameterGradient(NamedTuple):
    """The derivatives of a loss by W (..., m, n) and by b (..., n)."""

    W: np.ndarray
    b: np.ndarray


def zero_sparse_loss(b: Any, importance: Any) -> np.ndarray:
    """Return the loss on the zero input, L_0 = Σ_i I_i ReLU(b_i)².

    Shapes: b (..., n), importance (..., n) or a number -> (...). Raises ValueError when b is a number.
    Source: Toy Models of Superposition, "Superposition as a Phase Change".
    """
    b = np.asarray(b, dtype=float)
    if b.ndim < 1:
        raise ValueError(f"b must have shape (..., n), got the number {b}")
    return (np.asarray(importance) * np.maximum(b, 0) ** 2).sum(-1)


def one_sparse_loss(W: Any, b: Any, importance: Any) -> np.ndarray:
    """Return the loss on inputs with one feature on, L_1 = Σ_i Σ_j I_i ∫₀¹ (δ_ij x - ReLU(W_i·W_j x + b_i))² dx.

    It is the sum over the n features that can be on, not their mean.

    Shapes: W (..., m, n), b (..., n), importance (..., n) or a number -> (...). Raises ValueError on other shapes.
    Source: Toy Models of Superposition, "Superposition as a Phase Change".
    """
    terms = one_sparse_terms(W, b, importance)
    return (terms.feature_benefit + terms.interference).sum(-1)


def one_sparse_terms(W: Any, b: Any, importance: Any) -> OneSparseTerms:
    """Split L_1 into what each output i loses on its own feature and what it loses on the others.

    feature_benefit_i = I_i ∫₀¹ (x - ReLU(|W_i|² x + b_i))² dx, the smaller the better feature i is represented, and
    interference_i = I_i Σ_{j≠i} ∫₀¹ ReLU(W_i·W_j x + b_i)² dx.

    Shapes: W (..., m, n), b (..., n), importance (..., n) or a number -> two of (..., n). Raises ValueError as above.
    Source: Toy Models of Superposition, "Superposition as a Phase Change", feature benefit and interference.
    """
    W, b, importance = model_arrays(W, b, importance)
    error = ramp_error(W.mT @ W, b[..., None], np.eye(b.shape[-1]))
    own = np.diagonal(error, axis1=-2, axis2=-1)
    others = error.sum(-1, where=~np.eye(b.shape[-1], dtype=bool))
    return OneSparseTerms(importance * own, importance * others)


def one_sparse_gradient(W: Any, b: Any, importance: Any) -> ParameterGradient:
    """Return the gradient of L_1; a unit whose preactivation is zero throughout counts as inactive.

    Shapes: W (..., m, n), b (..., n), importance (..., n) or a number -> those of W and b. Raises ValueError as above.
    """
    W, b, importance = model_arrays(W, b, importance)
    by_slope, by_offset = ramp_error_slopes(W.mT @ W, b[..., None], np.eye(b.shape[-1]))
    return gradient_through_gram(W, importance[..., None] * by_slope, importance * by_offset.sum(-1))


def gradient_through_gram(W: np.ndarray, by_G: np.ndarray, by_b: np.ndarray) -> ParameterGradient:
    """Return the gradient of a loss from its derivatives by G = W^T W, W (∂L/∂G + ∂L/∂G^T), and by b."""
    return ParameterGradient(W @ (by_G + by_G.mT), by_b)


def ramp_error(slope: np.ndarray, offset: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return ∫₀¹ (s x - ReLU(a x + c))² dx elementwise, of slope a, offset c and target s; shapes broadcast."""
    zeroth, first, second = _active_powers(slope, offset)
    missed = target**2 / 3 - 2 * target * (slope * second + offset * first)
    return missed + slope**2 * second + 2 * slope * offset * first + offset**2 * zeroth


def ramp_error_slopes(slope: np.ndarray, offset: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the derivatives of ramp_error() by the slope and by the offset."""
    zeroth, first, second = _active_powers(slope, offset)
    excess = slope - target
    return 2 * (excess * second + offset * first), 2 * (excess * first + offset * zeroth)


def _active_powers(slope: np.ndarray, offset: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return ∫ x^k dx for k = 0, 1, 2 over the part of [0, 1] in which a x + c > 0."""
    flat = slope == 0
    # The quotient may be infinite, which is as good as 1. A flat output is active throughout or nowhere.
    with np.errstate(over="ignore"):
        kink = np.where(flat, offset > 0, np.clip(-offset / np.where(flat, 1, slope), 0, 1))
    zeroth, first, second = (np.where(slope > 0, 1 - kink**k, kink**k) / k for k in (1, 2, 3))
    return zeroth, first, second
