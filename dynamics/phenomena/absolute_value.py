"""Neurons that compute absolute values: what each of them is for."""

import numpy as np

# A neuron whose weights are this small beside those of the largest one is idle.
_IDLE = 1e-2


def neuron_purity(W1: np.ndarray) -> np.ndarray:
    """Return the largest share that one feature has in a neuron's squared input weights, max_j W1_kj² / Σ_j W1_kj².

    From 1/n, all features alike, to 1, a neuron for a single feature; 0 for a neuron without weights.
    Shapes: W1 (..., m, n), a neuron each row -> (..., m). Raises ValueError when W1 has fewer than two axes.
    Source: Toy Models of Superposition, "Computation in Superposition" (the colours of its neurons).
    """
    squared = _matrix(W1) ** 2
    total = squared.sum(-1)
    return squared.max(-1) / (total + (total == 0))


def neurons_per_sign(W1: np.ndarray, *, purity: float = 0.9) -> np.ndarray:
    """Return how many neurons are for each feature's negative and for its positive values.

    A neuron counts for its largest weight, by the sign of it, if its purity is at least *purity* and it is not idle
    (1 % of the largest neuron). |x| = ReLU(x) + ReLU(-x) takes one of each.
    Shapes: W1 (..., m, n) -> (..., n, 2), negative and positive. Raises ValueError when W1 has fewer than two axes.
    Source: Toy Models of Superposition, "Computation in Superposition".
    """
    W1 = _matrix(W1)
    size = np.linalg.norm(W1, axis=-1)
    counts = (neuron_purity(W1) >= purity) & (size > _IDLE * size.max(-1, keepdims=True))
    largest = abs(W1) == abs(W1).max(-1, keepdims=True)
    signs = np.stack([W1 < 0, W1 > 0], axis=-1)
    return (signs & (largest & counts[..., None])[..., None]).sum(-3)


def _matrix(W1: np.ndarray) -> np.ndarray:
    W1 = np.asarray(W1)
    if W1.ndim < 2:
        raise ValueError(f"W1 must have shape (..., m, n) with one neuron a row, got shape {W1.shape}")
    return W1
