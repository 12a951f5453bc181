"""The dimensionality of directions at random: what it is about, how far it scatters, and how rarely it goes beyond.

With Q_i = Σ_{j≠i} |W_j|² cos²_ij a feature has D_i = |W_i|² / (|W_i|² + Q_i). At random the cos²_ij of one i are
independent, of mean 1 / m and variance 2 (m - 1) / (m² (m + 2)).
"""

import math

import numpy as np

from .laws import log_gamma_tails

# Chernoff's bound is the least over so many tilts, spaced evenly in their logarithms.
_TILTS = np.geomspace(1e-4, 1e5, 181)
# What is nearer to a bound than that is at it, to rounding.
_NOTHING = 1e-9
# The law of the sum over all pairs is off by this factor at most at a level of 1e-4, of so many features or more.
_ROUGH, _FEWEST = 4, 5
_RISES = 1 - np.geomspace(1e-4, 1 - 1e-4, 121)


def expected(norm: np.ndarray, m: int) -> np.ndarray:
    """Return the D of directions at random in m dimensions, |W_i|² / (|W_i|² + Σ_{j≠i} |W_j|² / m).

    It is 0 for a feature of no length. Of n equal ones it is m / (m + n - 1).

    Shapes: norm (..., n) -> (..., n).
    """
    squared = np.square(_scaled(norm))
    others = (squared.sum(axis=-1, keepdims=True) - squared) / m
    return squared / np.where(squared > 0, squared + np.maximum(others, 0), 1)


def scatter(norm: np.ndarray, m: int) -> np.ndarray:
    """Return the standard deviation of the D of directions at random, to first order: D² √(Var Q) / |W_i|².

    Shapes: norm (..., n) -> (..., n).
    """
    squared = np.square(_scaled(norm))
    fourth = (squared**2).sum(axis=-1, keepdims=True) - squared**2
    deviation = np.sqrt(2 * (m - 1) / (m * m * (m + 2)) * np.maximum(fourth, 0))
    return expected(norm, m) ** 2 * deviation / np.where(squared > 0, squared, 1)


def log_chances(D: np.ndarray, norm: np.ndarray, m: int, *, shares: tuple[float, float] | None = None) -> np.ndarray:
    """Return a bound of the logarithm of the chance that one direction at random has a D as far out, on its side.

    A random cos² is less spread, in the convex order, than the square of a normal number of variance 1 / m, since the
    latter is the former times χ²_m / m. So for both signs of t E exp(t Q) ≤ Π_j (1 - 2 t |W_j|² / m)^(-1/2), and
    Chernoff's bound is the least of exp(-t q) times that. *shares* are the least and the largest mean of cos², where
    directions crowd and they are not all 1 / m.

    Shapes: D and norm (n,) -> (n,); 0 where a feature has no length.
    """
    squared = np.square(_scaled(norm))
    known = (squared > 0) & (D > 0) & np.isfinite(D)
    if m < 2 or np.count_nonzero(squared) < 2:
        return np.zeros(len(squared))
    Q = np.where(known, squared * (1 / np.where(known, D, 1) - 1), 0)
    least, most = (1 / share for share in shares or (1 / m, 1 / m))
    low = _bound(-_TILTS * least / 2, Q, squared, least)
    high = _bound(_RISES * most / 2, Q, squared, most)
    others = squared.sum() - squared
    chances = np.where(others / least > Q, low, np.where(others / most < Q, high, 0.0))
    return np.where(known, np.minimum(0, chances), 0.0)


def _bound(tilts: np.ndarray, Q: np.ndarray, squared: np.ndarray, m: float) -> np.ndarray:
    """Return the least of log E exp(t (Q_i - q_i)) over the tilts t, (n,)."""
    each = -np.log1p(-2 * tilts[:, None] * squared / m) / 2
    return (each.sum(axis=1, keepdims=True) - each - tilts[:, None] * Q).min(axis=0)


def log_chance_of_all(D: np.ndarray, norm: np.ndarray, m: int) -> float:
    """Return about the logarithm of the chance that directions at random share their space as evenly, or as unevenly.

    What tells is the sum over all pairs Q = Σ_{i<j} (W_i · W_j)². The cos² of any two pairs are uncorrelated, which
    gives its mean and variance; it is no less than ((Σ|W_i|²)² / m - Σ|W_i|⁴) / 2, which is the tight frame of Welch's
    bound, nor than 0; and what it is above that has the gamma distribution of this mean and variance in both limits, of
    few features in many dimensions and of many in few.

    Shapes: D and norm (n,) -> scalar, 0 for fewer than five features.
    """
    squared = np.square(_scaled(norm))
    known = (squared > 0) & (D > 0) & np.isfinite(D)
    if m < 2 or np.count_nonzero(squared) < _FEWEST or not known.any():
        return 0.0
    Q = float((squared[known] ** 2 * (1 / D[known] - 1)).sum()) / 2
    total, fourth = float(squared.sum()), float((squared**2).sum())
    mean = (total**2 - fourth) / 2 / m
    variance = (fourth**2 - float((squared**4).sum())) / 2 * 2 * (m - 1) / (m * m * (m + 2))
    least = max(0.0, (total**2 / m - fourth) / 2)
    above = mean - least
    if above <= 0 or variance <= 0:
        return 0.0
    tails = log_gamma_tails(max(Q - least, _NOTHING * above) * above / variance, above**2 / variance)
    return min(0.0, min(tails) + math.log(2 * _ROUGH))


def _scaled(norm: np.ndarray) -> np.ndarray:
    """Return lengths of which the longest is 1, so that no square under- or overflows."""
    norm = np.asarray(norm, dtype=np.float64)
    longest = np.max(norm, axis=-1, keepdims=True, initial=0)
    return norm / np.where(longest > 0, longest, 1)
