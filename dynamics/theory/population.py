"""The loss on the whole population of sparse inputs, E[L](W, b), and its gradient, exact for few features.

Each feature x_i is zero with probability 1-p and otherwise uniform on [0, 1]; y = ReLU(W^T W x + b). An output is
affine in x where it is active and zero elsewhere, so that all it loses follows from the second moments of x over the
inputs on which it is active.

Source: Toy Models of Superposition, "Superposition as a Phase Change", L = ∫ ‖I (x - ReLU(W^T W x + b))‖² dp(x).
"""

from typing import Any, NamedTuple

import numpy as np

from .arguments import population_arrays
from .cut_cubes import active_moments
from .sampled_loss import estimated_loss
from .sparse_losses import gradient_through_gram

# Each further feature triples the cost of the exact loss; here one model takes a fraction of a second.
EXACT_FEATURES = 8


class LossGradient(NamedTuple):
    """A loss of shape (...) and its derivatives by W (..., m, n) and by b (..., n)."""

    loss: np.ndarray
    W: np.ndarray
    b: np.ndarray


def expected_loss(W: Any, b: Any, density: Any, importance: Any) -> np.ndarray:
    """Return the population loss E_x[Σ_i I_i (x_i - ReLU(W^T W x + b)_i)²], summed over features.

    Up to EXACT_FEATURES features it is exact to rounding, the sum of piecewise integrals over all 2^n supports;
    beyond, it is the value that estimated_loss() returns together with its standard error.

    Shapes: W (..., m, n), b (..., n), density (...), importance (..., n) or a number -> (...).
    Raises ValueError on other shapes, and where a density is not in [0, 1].
    Source: Toy Models of Superposition, "Superposition as a Phase Change".
    """
    return expected_gradient(W, b, density, importance).loss


def expected_gradient(W: Any, b: Any, density: Any, importance: Any) -> LossGradient:
    """Return the population loss and its gradient, at hardly more than the price of the loss.

    Both are exact, or estimated on the same samples, as in expected_loss(). The loss has a gradient except where an
    output is zero throughout, b_i = 0 and W_i ⟂ W_j for all j; there such an output counts as inactive.

    Shapes and errors as in expected_loss().
    """
    W, b, density, importance = population_arrays(W, b, density, importance)
    if b.shape[-1] > EXACT_FEATURES:
        estimate = estimated_loss(W, b, density, importance)
        return LossGradient(estimate.loss, estimate.W, estimate.b)
    G = W.mT @ W
    error, slope = _errors_of_outputs(G, b, np.broadcast_to(density[..., None], b.shape))
    by_G, by_b = importance[..., None] * slope[..., 1:], importance * slope[..., 0]
    return LossGradient((importance * error).sum(-1), *gradient_through_gram(W, by_G, by_b))


def _errors_of_outputs(G: np.ndarray, b: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return E(x_i - y_i)² for each output i, and its derivatives by b_i and by row i of G.

    With w = (b_i, G_i), x̃ = (1, x) and M the moments of x̃ where w·x̃ > 0: E(x_i - y_i)² = p/3 - 2 (M w)_i + w·M w.
    The boundary of the active part moves with w, but as y = 0 there, the derivatives are just 2 (M w - M e_i).

    Shapes: G (..., n, n), b and p (..., n) -> (..., n) and (..., n, n+1).
    """
    n = b.shape[-1]
    w = np.concatenate([b[..., None], G], axis=-1).reshape(-1, n + 1)
    k = np.arange(n + 1)[:, None]
    M = active_moments(w[:, 1:], w[:, 0], p.reshape(-1) ** k * (1 - p.reshape(-1)) ** (n - k))
    row = np.arange(len(w))
    own = 1 + row % n
    with_output = np.einsum("jkr,rk->rj", M, w)
    with_own = M[own, :, row]
    error = p.reshape(-1) / 3 - 2 * with_output[row, own] + (w * with_output).sum(-1)
    return error.reshape(b.shape), (2 * (with_output - with_own)).reshape(*b.shape, n + 1)
