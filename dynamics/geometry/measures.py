"""The geometry of a weight matrix whose columns are features.

W has shape (..., m, n): column W_i, an m-vector, is the image of feature i, and any leading axes (steps, instances) are
batched over. Every function takes NumPy arrays and torch tensors alike, returns the kind it was given, and on tensors
is differentiable.
"""

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

if TYPE_CHECKING:
    import torch

    # The caller's own kind of array; importing torch for its name alone would cost every reader a second.
    Array = TypeVar("Array", np.ndarray, torch.Tensor)


def gram(W: "Array") -> "Array":
    """Return the Gram matrix of the features, G_ij = W_i · W_j.

    Shapes: W (..., m, n) -> (..., n, n). Raises ValueError when W has fewer than two axes.
    Source: Toy Models of Superposition, "Demonstrating Superposition" (its W^T W).
    """
    W = _matrix(W)
    return W.mT @ W


def norms(W: "Array") -> "Array":
    """Return the length of each feature, |W_i|.

    Shapes: W (..., m, n) -> (..., n), in the units of W. Raises ValueError when W has fewer than two axes.
    Source: Toy Models of Superposition, "Demonstrating Superposition".
    """
    return measure(W).norm


def dimensionality(W: "Array") -> "Array":
    """Return the fraction of a dimension that each feature has to itself, D_i = |W_i|² / Σ_j (Ŵ_i · W_j)².

    Dimensionless, in [0, 1]; a zero column gives 0. It does not change with the scale of W.

    Shapes: W (..., m, n) -> (..., n). Raises ValueError when W has fewer than two axes.
    Source: Toy Models of Superposition, "The Geometry of Superposition", feature dimensionality.
    """
    return measure(W).dimensionality


def interference(W: "Array") -> "Array":
    """Return how much the other features project on each one, Σ_{j≠i} (Ŵ_i · W_j)².

    In the units of W squared; 0 for a zero column, for a feature orthogonal to all others, and never negative. It is
    the difference of two sums, so it is exact to the rounding error of |W_i|².

    Shapes: W (..., m, n) -> (..., n). Raises ValueError when W has fewer than two axes.
    Source: Toy Models of Superposition, "Demonstrating Superposition" (the colour of its bars).
    """
    return measure(W).interference


class FeatureGeometry(NamedTuple):
    """What is measured of every feature; each of shape (..., n)."""

    dimensionality: Any
    norm: Any
    interference: Any


def measure(W: "Array") -> FeatureGeometry:
    """Return dimensionality, norm and interference at the price of one of them.

    All three come from |W_i|² and Σ_j (Ŵ_i · W_j)² = Ŵ_i^T F Ŵ_i with F = W W^T, which costs O(n m²); where n < m
    the Gram matrix is the cheaper way, O(n² m).

    Shapes: W (..., m, n). Raises ValueError when W has fewer than two axes.
    """
    matrix = _matrix(W)
    # Each matrix is brought to size 1 first, so that no square under- or overflows.
    size = abs(matrix).sum((-2, -1), keepdims=True)
    scale = size + (size == 0)
    # What is not finite is not a number then.
    with np.errstate(invalid="ignore"):
        scaled = matrix / scale
    scale = scale[..., 0]
    squared = (scaled * scaled).sum(-2)
    # A zero column gets the length 1 for the while, since the root has no derivative at 0.
    length = (squared + (squared == 0)) ** 0.5
    overlap = _overlaps(scaled, scaled / length[..., None, :])
    others = overlap - squared
    # Single precision holds |W_i|² up to 1e38; beyond that infinity is what interference is.
    with np.errstate(over="ignore"):
        return FeatureGeometry(
            dimensionality=squared / (overlap + (overlap == 0)),
            norm=length * (squared != 0) * scale,
            interference=others * (others > 0) * scale**2,
        )


def _matrix(W: Any) -> Any:
    if not hasattr(type(W), "mT"):
        W = np.asarray(W)
    if W.ndim < 2:
        raise ValueError(f"W must have shape (..., m, n) with one feature a column, got shape {tuple(W.shape)}")
    return W


def _overlaps(W: Any, unit: Any) -> Any:
    """Return Σ_j (Ŵ_i · W_j)², the sum over all features j including i itself; shape (..., n)."""
    m, n = W.shape[-2:]
    if n < m:
        return ((unit.mT @ W) ** 2).sum(-1)
    return (unit * ((W @ W.mT) @ unit)).sum(-2)
