"""Progress measures of a network that adds modulo p: its answers through some waves alone, and without them."""

from collections.abc import Iterable

import numpy as np


def restricted_logits(logits: np.ndarray, frequencies: Iterable[int]) -> np.ndarray:
    """Return what the logits are through waves of some frequencies alone.

    Over the table of a and b, the mean and the products of cos or sin of 2πka/p with cos or sin of 2πkb/p are kept for
    each frequency k, and all else is taken away: Σ_k Q_k Q_kᵀ L Q_k Q_kᵀ, with the two columns of Q_k the cosine and
    the sine of length 1. A network that adds by these waves answers as well as before, and so it does earlier than
    with what it has remembered in the way.

    Shapes: logits (..., p, p), the last axes a and b -> the same. Raises ValueError where a frequency is not one of
    1 … (p - 1)/2. Source: Nanda et al. 2023, "Progress measures for grokking via mechanistic interpretability",
    arXiv 2301.05217, restricted loss.
    """
    logits = np.asarray(logits, dtype=float)
    kept = np.broadcast_to(logits.mean((-2, -1), keepdims=True), logits.shape).copy()
    for k in _checked(frequencies, logits.shape[-1]):
        waves = _waves(k, logits.shape[-1])
        kept += waves @ (waves.T @ logits @ waves) @ waves.T
    return kept


def excluded_logits(logits: np.ndarray, frequencies: Iterable[int]) -> np.ndarray:
    """Return what the logits are without waves of the sum at some frequencies.

    cos(2πk(a + b)/p) and sin(2πk(a + b)/p) over the table of a and b are taken away for each frequency k. A network
    that adds by these waves is left with what it has remembered.

    Shapes: logits (..., p, p), the last axes a and b -> the same. Raises ValueError where a frequency is not one of
    1 … (p - 1)/2. Source: as restricted_logits(), excluded loss.
    """
    logits = np.asarray(logits, dtype=float)
    p = logits.shape[-1]
    sums = np.arange(p)[:, None] + np.arange(p)
    # Each column of _waves() has length 1 over p numbers; over the table each of them comes p times.
    tables = [_waves(k, p)[sums % p, part] / np.sqrt(p) for k in _checked(frequencies, p) for part in (0, 1)]
    for table in tables:
        logits = logits - (logits * table).sum((-2, -1), keepdims=True) * table
    return logits


def _waves(k: int, p: int) -> np.ndarray:
    """Return cosine and sine of frequency k over the numbers 0 … p-1, each of length 1; shape (p, 2)."""
    angle = 2 * np.pi * k * np.arange(p) / p
    return np.stack([np.cos(angle), np.sin(angle)], axis=1) * np.sqrt(2 / p)


def _checked(frequencies: Iterable[int], p: int) -> list[int]:
    frequencies = [int(k) for k in frequencies]
    for k in frequencies:
        if not 1 <= k <= (p - 1) // 2:
            raise ValueError(f"frequency {k} is not one of 1 to {(p - 1) // 2}, those of the numbers modulo {p}")
    return frequencies
