"""How far apart the parameters of two recordings are, row by row."""

import numpy as np

from .pairs import ArrayPair, CommonRows


def distances(sides: CommonRows) -> np.ndarray:
    """Return |theta_a - theta_b|, the Euclidean distance over all parameters that both have, at every common row.

    Shapes: (K,) float64; NaN or infinite where a parameter is. Every row is read, some at a time.
    """
    squares = np.zeros(len(sides.step))
    for pair in sides.pairs("parameters").values():
        for first, last in pair.blocks(len(pair)):
            squares[first:last] += _squares(pair, first, last)
    return np.sqrt(squares)


def _squares(pair: ArrayPair, first: int, last: int) -> np.ndarray:
    x, y = pair.rows(first, last)
    wide = np.complex128 if x.dtype.kind == "c" else np.float64
    with np.errstate(all="ignore"):
        apart = np.abs(x.astype(wide) - y.astype(wide)).reshape(last - first, -1)
        return np.einsum("ij,ij->i", apart, apart)


def largest(pair: ArrayPair, row: int) -> float:
    """Return the largest difference between two elements of a row; NaN where one that differs is not finite."""
    x, y = pair.rows(row, row + 1)
    apart = pair.unequal(row, row + 1)
    wide = np.complex128 if x.dtype.kind == "c" else np.float64
    with np.errstate(all="ignore"):
        size = np.abs(x[apart].astype(wide) - y[apart].astype(wide))
    return float("nan") if not np.isfinite(size).all() else float(size.max(initial=0.0))
