"""The population loss of the linear model y = W^T W x + b: what it loses in every principal direction it ignores.

Its features are as those of the ReLU model: x_i is zero with probability 1-p, otherwise uniform on [0, 1], so that
they have the mean μ = p/2 and the variance σ² = p/3 - p²/4.

Source: Toy Models of Superposition, "Superposition as a Phase Change", after Saxe, McClelland and Ganguli 2013.
"""

from typing import Any

import numpy as np

from .arguments import checked_density, population_arrays


def feature_variance(density: Any) -> np.ndarray:
    """Return the variance of a feature, σ² = p/3 - p²/4; shapes (...) -> (...).

    It is what ignoring a feature costs, at importance one, once the bias stands at the mean p/2.
    Raises ValueError where a density is not in [0, 1].
    """
    p = checked_density(density)
    return p / 3 - p**2 / 4


def linear_loss(W: Any, b: Any, density: Any, importance: Any) -> np.ndarray:
    """Return the linear model's population loss, E_x[Σ_i I_i (x_i - (W^T W x + b)_i)²], in closed form.

    L = σ² [Σ_i I_i (1 - |W_i|²)² + Σ_{i≠j} I_j (W_j·W_i)²] + Σ_i I_i (μ (1 - Σ_j W_i·W_j) - b_i)²: the paper's
    feature benefit and interference, and what a bias costs that is not the best one.

    Shapes: W (..., m, n), b (..., n), density (...), importance (..., n) or a number -> (...).
    Raises ValueError on other shapes, and where a density is not in [0, 1].
    Source: Toy Models of Superposition, "Superposition as a Phase Change", the linear model.
    """
    W, b, density, importance = population_arrays(W, b, density, importance)
    missed = np.eye(b.shape[-1]) - W.mT @ W
    p = density[..., None]
    bias_error = p / 2 * missed.sum(-1) - b
    return (importance * (feature_variance(p) * (missed**2).sum(-1) + bias_error**2)).sum(-1)


def principal_losses(W: Any, density: Any) -> np.ndarray:
    """Return what a linear model of equally important features loses in each principal direction, σ² (1 - λ_k)².

    λ_k are the n eigenvalues of W^T W, in descending order: an ignored direction has λ = 0 and costs σ², a represented
    one has λ = 1 and costs nothing. At the best bias and importance one they add up to the linear loss.

    Shapes: W (..., m, n), density (...) -> (..., n). Raises ValueError where a density is not in [0, 1].
    Source: Saxe, McClelland and Ganguli 2013, arXiv 1312.6120: the modes of a linear network learn independently.
    """
    W = np.asarray(W, dtype=float)
    eigenvalues = np.linalg.eigvalsh(W.mT @ W)[..., ::-1]
    return feature_variance(density)[..., None] * (1 - eigenvalues) ** 2


def least_linear_loss(n_hidden: int, density: Any, importance: Any) -> np.ndarray:
    """Return the least loss that a linear model can have: σ² times the importances of all but the top m features.

    It represents these on orthogonal directions and ignores the others; interference makes more never worthwhile.

    Shapes: density (...), importance (..., n) -> (...). Raises ValueError where importance is a number, from which
    the number of features does not follow, and where a density is not in [0, 1].
    Source: Toy Models of Superposition, "Demonstrating Superposition"; Eckart and Young 1936.
    """
    importance = np.asarray(importance, dtype=float)
    if importance.ndim < 1:
        raise ValueError(f"importance={importance} must be given for each feature, shape (..., n)")
    ignored = np.sort(importance, axis=-1)[..., : max(importance.shape[-1] - n_hidden, 0)]
    return feature_variance(density) * ignored.sum(-1)
