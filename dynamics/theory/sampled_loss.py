"""The population loss of models with many features, estimated with a standard error.

E[L] = (1-p)^n L_0 + p (1-p)^(n-1) L_1 + P(two on or more) E[L | two on or more]: the first two terms are exact, and
only the last is sampled, from its own distribution. As p -> 0 it vanishes as p², and with it the error.

Source: Toy Models of Superposition, "Superposition as a Phase Change", the expansion of L in L_k.
"""

from typing import Any, NamedTuple

import numpy as np

from .arguments import population_arrays
from .sparse_losses import one_sparse_gradient, one_sparse_loss, zero_sparse_loss

# How many numbers a block of samples may hold: what stays in a processor's cache.
_BLOCK = 2**16


class Estimate(NamedTuple):
    """An estimated loss, its standard error, both (...), and its derivatives by W (..., m, n) and by b (..., n)."""

    loss: np.ndarray
    error: np.ndarray
    W: np.ndarray
    b: np.ndarray


def estimated_loss(W: Any, b: Any, density: Any, importance: Any, *, samples: int = 2**15, seed: int = 0) -> Estimate:
    """Return the population loss E_x[Σ_i I_i (x_i - ReLU(W^T W x + b)_i)²], its standard error and its gradient.

    Inputs with at most one feature on are integrated exactly, the others are *samples* independent draws. Models of
    one density share their draws, so that differences between them carry less error than their values.

    Shapes: W (..., m, n), b (..., n), density (...), importance (..., n) or a number. Raises ValueError on other
    shapes, where a density is not in [0, 1], and for fewer than two samples, which have no standard error.
    """
    if samples < 2:
        raise ValueError(f"samples={samples} give no standard error; draw two or more")
    W, b, density, importance = population_arrays(W, b, density, importance)
    estimate = _sparsest(W, b, density, importance)
    for p in np.unique(density):
        probability, counts = _several(b.shape[-1], p)
        if not probability:
            continue
        same = density == p
        # Indexing with it gives the models one axis, also where there is a single one with none.
        part = _sampled(W[same], b[same], importance[same], counts, (samples, seed))
        for total, sampled in zip(estimate, part, strict=True):
            total[same] += probability * sampled
    return estimate


def _sparsest(W: np.ndarray, b: np.ndarray, density: np.ndarray, importance: np.ndarray) -> Estimate:
    """Return what the inputs with at most one feature on contribute, with no error."""
    n = b.shape[-1]
    silent, single = (1 - density) ** n, density * (1 - density) ** (n - 1)
    gradient = one_sparse_gradient(W, b, importance)
    by_silence = 2 * importance * np.maximum(b, 0)
    return Estimate(
        np.asarray(silent * zero_sparse_loss(b, importance) + single * one_sparse_loss(W, b, importance)),
        np.zeros(density.shape),
        single[..., None, None] * gradient.W,
        silent[..., None] * by_silence + single[..., None] * gradient.b,
    )


def _several(n: int, p: float) -> tuple[float, np.ndarray]:
    """Return the probability that two or more of n features are on, and given that, the one of each number 0 … n."""
    from scipy.special import gammaln, xlog1py, xlogy

    k = np.arange(n + 1)
    log_ways = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    probabilities = np.where(k >= 2, np.exp(log_ways + xlogy(k, p) + xlog1py(n - k, -p)), 0)
    total = probabilities.sum()
    return total, probabilities / (total or 1)


def _sampled(
    W: np.ndarray, b: np.ndarray, importance: np.ndarray, counts: np.ndarray, draws: tuple[int, int]
) -> Estimate:
    """Return the mean loss of each model given two or more features on; shapes W (models, m, n), b (models, n)."""
    samples, seed = draws
    rng = np.random.default_rng(seed)
    losses = np.empty((len(b), samples))
    by_W, by_b = np.zeros(W.shape), np.zeros(b.shape)
    step = max(1, _BLOCK // b.shape[-1])
    for start in range(0, samples, step):
        x = _draw(min(step, samples - start), counts, rng)
        for model in range(len(b)):
            hidden = x @ W[model].T
            y = np.maximum(hidden @ W[model] + b[model], 0)
            losses[model, start : start + step] = (x - y) ** 2 @ importance[model]
            slope = 2 * importance[model] * (y - x) * (y > 0)
            by_W[model] += hidden.T @ slope + (slope @ W[model].T).T @ x
            by_b[model] += slope.sum(0)
    error = losses.std(-1, ddof=1) / np.sqrt(samples)
    return Estimate(losses.mean(-1), error, by_W / samples, by_b / samples)


def _draw(size: int, counts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return inputs (size, n) with as many features on as *counts* gives the probabilities of, any of them alike."""
    n = len(counts) - 1
    on = rng.choice(n + 1, size=(size, 1), p=counts)
    rank = rng.random((size, n)).argsort(-1)
    return rng.random((size, n)) * (rank < on)
