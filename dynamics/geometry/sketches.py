"""What comes back from sketches of a trajectory: distances, cosines, principal components, each with its error.

A sketch is a linear map of many parameters to few numbers that keeps lengths on the average, E |S x|² = |x|²: each
parameter has a part of its own in it, of k numbers, or of all its elements where it is small. Sketches of a run are
S (T, K), and *parts* the k of each part in the order of the columns, 0 for one that is a copy and has no error.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


class Sketched(NamedTuple):
    """What a sketch says, and its standard error, of the same shape."""

    value: Float
    error: Float


def sketched_norms(S: NDArray[np.floating], parts: Sequence[tuple[int, int]]) -> Sketched:
    """Return the lengths of what was sketched, |x_t|, with their standard error.

    |x|² = Σ_p |x_p|² over the parts p, each of which is known to a relative standard error of √(2/k_p), so that
    error(|x|) = √(Σ_p 2 |x_p|⁴ / k_p) / (2 |x|); where every part has the same share of the squares for its size that
    is |x| / √(2K).

    Shapes: S (T, K) -> (T,); parts has (columns, k) of each part, k = 0 for a copy.
    """
    squares = _squares(S, parts)
    total = np.sqrt(squares.sum(1))
    variance = (2 * squares**2 / _buckets(parts)).sum(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.where(total > 0, np.sqrt(variance) / (2 * total), 0.0)
    return Sketched(total, error)


def sketched_cosines(x: NDArray[np.floating], y: NDArray[np.floating], parts: Sequence[tuple[int, int]]) -> Sketched:
    """Return the cosines between what was sketched, row by row, with their standard error.

    c = C / √(A B) with A = Σ_p a_p = Σ_p |x_p|², B = Σ_p b_p = Σ_p |y_p|², C = Σ_p c_p = Σ_p x_p · y_p over the parts.
    To first order, with the variances and covariances that a part of k_p numbers has,
    error(c)² = Σ_p [a b + c_p² + c² ((a² + b²) / 2 + c_p²) - 2 c c_p (a + b)] / k_p, where a, b and c_p are in units of
    A, B and √(A B); for one part that is (1 - c²)² / k.

    Shapes: x and y (T, K) -> (T,). NaN where one of them is 0.
    """
    one, other = np.asarray(x, np.float64), np.asarray(y, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        a, b = _squares(one, parts), _squares(other, parts)
        lengths = np.sqrt(a.sum(1, keepdims=True) * b.sum(1, keepdims=True))
        a, b = a / a.sum(1, keepdims=True), b / b.sum(1, keepdims=True)
        c = np.add.reduceat(one * other, _starts(parts), axis=1) / lengths
        cosine = c.sum(1, keepdims=True)
        terms = a * b + c**2 + cosine**2 * ((a**2 + b**2) / 2 + c**2) - 2 * cosine * c * (a + b)
        variance = (terms / _buckets(parts)).sum(1)
    return Sketched(cosine[:, 0], np.sqrt(variance.clip(min=0)))


class Components(NamedTuple):
    """Principal components of a trajectory: shares (c,) of the variance, coordinates (T, c) of each row, and the error.

    error (c,) is the standard error of each share.
    """

    shares: Float
    coordinates: Float
    error: Float


def sketched_components(S: NDArray[np.floating], parts: Sequence[tuple[int, int]], *, count: int = 3) -> Components:
    """Return the first principal components of the trajectory from its sketches.

    With the mean of the rows taken away, S = U Σ Vᵀ: the shares are σ_c² / Σ σ², the coordinates U Σ, in the units of
    the parameters. A share p is known to about p (1 - p) √(2/k)·√2, k being the buckets that count where the
    trajectory moves, 1 / Σ_p (share of part p)² / k_p.

    Shapes: S (T, K), T at least 2.
    """
    centred = np.asarray(S, np.float64)
    centred = centred - centred.mean(0)
    values, vectors = np.linalg.eigh(centred @ centred.T)
    order = np.argsort(values)[::-1][:count]
    total = max(float(values.sum()), np.finfo(np.float64).tiny)
    found = np.clip(values[order], 0, None)
    shares = found / total
    squares = _squares(centred, parts).sum(0)
    effective = ((squares / max(squares.sum(), np.finfo(np.float64).tiny)) ** 2 / _buckets(parts)).sum()
    return Components(shares, vectors[:, order] * np.sqrt(found), shares * (1 - shares) * 2 * np.sqrt(effective))


def _squares(S: NDArray[np.floating], parts: Sequence[tuple[int, int]]) -> Float:
    """Return the squared length of each part in each row, (T, parts)."""
    return np.add.reduceat(np.square(np.asarray(S, np.float64)), _starts(parts), axis=1)


def _starts(parts: Sequence[tuple[int, int]]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum([columns for columns, _ in parts])[:-1]]).astype(np.int64)


def _buckets(parts: Sequence[tuple[int, int]]) -> Float:
    """Return the k of each part, infinite of a copy."""
    return np.array([k or np.inf for _, k in parts])
