"""How a matrix changes over time as a whole: its singular values, its effective rank, and how far it has gone.

W has shape (T, m, n), a matrix for each row of a run; what is read when it is sliced, such as a series of a recording,
is read a few rows at a time. All is computed in double precision, and a row with a number that is not finite gives NaN.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..signals import Signal, pieces, sliceable

# So many bytes of matrices are read at a time; in double precision they are twice as many, and in work a few times so.
_MOST_BYTES = 2**24
# A sum of squares that is greater has not lost any of them to underflow that would count.
_LEAST_SQUARE = 1e-200


def singular_values(W: Any) -> np.ndarray:
    """Return the singular values of a matrix over time, σ_1 ≥ σ_2 ≥ ... ≥ 0.

    In the units of W. Shapes: W (T, m, n) -> (T, min(m, n)) float64. Raises ValueError for other shapes.
    """
    signal = _matrices(W)
    count = min(signal.shape[1:])
    return _by_rows(signal, _singular_values, (count,))


def effective_rank(W: Any) -> np.ndarray:
    """Return the effective rank of a matrix over time, exp(-Σ_k p_k ln p_k) with p_k = σ_k / Σ_j σ_j.

    It is between 1 and min(m, n), which it is where all singular values are alike, and does not change with the scale
    of W; a matrix of zeros has 0.

    Shapes: W (T, m, n) -> (T,) float64. Raises ValueError for other shapes.
    Source: Roy and Vetterli, "The effective rank: a measure of effective dimensionality", EUSIPCO 2007, definition 2.
    """
    return _by_rows(_matrices(W), lambda values: _entropy_rank(_singular_values(values)), ())


def matrix_norm(W: Any) -> np.ndarray:
    """Return the Frobenius norm of a matrix over time, |W_t| = √Σ W².

    In the units of W. Shapes: W (T, m, n) -> (T,) float64. Raises ValueError for other shapes.
    """
    return _by_rows(_matrices(W), _norm, ())


def update_size(before: Any, after: Any) -> np.ndarray:
    """Return how large an update is beside what it changes, |W_{t+1} - W_t| / |W_t|.

    Dimensionless: 0 where nothing changes, infinite where a matrix of zeros does. *before* and *after* are the same
    matrix at two times; of all rows of a run, W[:-1] and W[1:].

    Shapes: before and after (T, m, n) -> (T,) float64. Raises ValueError for other shapes, and where they differ.
    """
    first, second = _matrices(before), _matrices(after)
    if first.shape != second.shape:
        raise ValueError(f"before and after must have the same shape, got {first.shape} and {second.shape}")
    found = np.empty(first.shape[0])
    for part, values in pieces(first, most_bytes=_MOST_BYTES):
        found[part] = _ratio(_norm(_difference(np.asarray(second[part]), values)), _norm(values))
    return found


def change_from(start: np.ndarray, W: Any) -> np.ndarray:
    """Return how far a matrix is from what it was at the start, |W_t - W_0| / |W_0|.

    Dimensionless: 0 where it has not changed, infinite where it was 0 and is not.

    Shapes: start (m, n), W (T, m, n) -> (T,) float64. Raises ValueError for other shapes.
    Source: Chizat, Oyallon and Bach, "On Lazy Training in Differentiable Programming", 2019, the relative change that
    tells lazy training from learning of features.
    """
    signal, first = _matrices(W), np.asarray(start)
    if first.shape != signal.shape[1:]:
        raise ValueError(f"start must have the shape of a row of W, {signal.shape[1:]}; got {first.shape}")
    length = _norm(first[None])
    return _by_rows(signal, lambda values: _ratio(_norm(_difference(values, first)), length), ())


def _matrices(W: Any) -> Signal:
    signal = sliceable(W)
    if signal.ndim != 3 or signal.dtype.kind not in "fiuc":
        raise ValueError(f"W must be numbers of shape (T, m, n), got {signal.dtype} of shape {tuple(signal.shape)}")
    return signal


def _by_rows(W: Signal, measure: Callable[[np.ndarray], np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    found = np.empty((W.shape[0], *shape))
    for part, values in pieces(W, most_bytes=_MOST_BYTES):
        found[part] = measure(values)
    return found


def _double(values: np.ndarray) -> np.ndarray:
    return values.astype(np.complex128 if values.dtype.kind == "c" else np.float64, copy=False)


def _difference(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the difference in double precision, where that of two large numbers stays finite."""
    dtype = np.result_type(values, others, np.float64)
    with np.errstate(invalid="ignore"):
        return np.subtract(values, others, dtype=dtype)


def _norm(values: np.ndarray) -> np.ndarray:
    """Return |W| (T,), whatever the size of the numbers; NaN where one is not finite."""
    flat = _double(values).reshape(len(values), -1)
    with np.errstate(all="ignore"):
        squares = np.einsum("tk,tk->t", flat, flat.conj()).real
        norms = np.sqrt(squares)
    # Squares of common numbers neither overflow nor vanish.
    others = ~((squares > _LEAST_SQUARE) & np.isfinite(squares))
    norms[others] = _scaled_norm(values[others])
    return norms


def _scaled_norm(values: np.ndarray) -> np.ndarray:
    """Return |W| (T,) in units of the largest number of each row; NaN where one is not finite."""
    with np.errstate(invalid="ignore"):
        sizes = np.abs(_double(values))
    largest = sizes.max(axis=(1, 2), initial=0)
    scale = np.where((largest > 0) & np.isfinite(largest), largest, 1)
    # A square of what is not finite is none either.
    with np.errstate(invalid="ignore", over="ignore"):
        length = scale * np.sqrt(np.square(sizes / scale[:, None, None]).sum(axis=(1, 2)))
    return np.where(np.isfinite(largest), length, np.nan)


def _ratio(change: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Return change / length: 0 where nothing changes, infinite where it begins at 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = change / length
    return np.where((change == 0) & (length == 0), 0.0, ratio)


def _singular_values(values: np.ndarray) -> np.ndarray:
    finite = np.isfinite(values).all(axis=(1, 2))
    found = np.full((len(values), min(values.shape[1:])), np.nan)
    if finite.any():
        found[finite] = np.linalg.svd(_double(values[finite]), compute_uv=False)
    return found


def _entropy_rank(sigma: np.ndarray) -> np.ndarray:
    """Return the effective rank of rows of singular values (T, k)."""
    total = sigma.sum(axis=1, keepdims=True)
    shares = sigma / np.where(total > 0, total, 1)
    entropy = -(shares * np.log(np.where(shares > 0, shares, 1))).sum(axis=1)
    rank = np.where(total[:, 0] == 0, 0.0, np.exp(entropy))
    return np.where(np.isnan(total[:, 0]), np.nan, rank)
