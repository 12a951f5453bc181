"""Waves over the numbers modulo p: Fourier features of any embedding whose labels are cyclic."""

import numpy as np
from scipy.stats import beta

# How often noise may be given a key frequency, over all of an embedding's.
_FAMILY_WISE = 0.01


def wave_shares(E: np.ndarray) -> np.ndarray:
    """Return how much of each neuron's weights lies at each frequency, |Ê_k|² / Σ_l |Ê_l|² over k, l = 1 … (p - 1)/2.

    Ê is the discrete Fourier transform of a row of E over the numbers 0 … p-1, and its mean, k = 0, is left out. The
    shares of a neuron add up to 1; they are all 2 / (p - 1) for a neuron of noise, on average, and one of them is 1 for
    one that is a single wave cos(2πka/p + φ). Those of a neuron without weights are 0.

    Shapes: E (..., m, p), a neuron each row -> (..., m, (p - 1)/2). Raises ValueError where p is even or below 3.
    Source: Gromov 2023, "Grokking modular arithmetic", arXiv 2301.02679.
    """
    power = _power(E)
    total = power.sum(-1, keepdims=True)
    return power / (total + (total == 0))


def wave_power(E: np.ndarray) -> np.ndarray:
    """Return the power of an embedding at each frequency, 2/p Σ_m |Ê_mk|² for k = 1 … (p - 1)/2.

    Ê is the discrete Fourier transform over the numbers 0 … p-1. With the power of the mean, Σ_m |Ê_m0|² / p, the
    powers add up to |E|², the squared length of the embedding.

    Shapes: E (..., m, p), a number each column -> (..., (p - 1)/2). Raises ValueError where p is even or below 3, or E
    has no rows. Source: Nanda et al. 2023, "Progress measures for grokking via mechanistic interpretability", arXiv
    2301.05217.
    """
    if np.ndim(E) < 2:
        raise ValueError(f"E must have a row for each dimension, got shape {np.shape(E)}")
    return 2 / np.shape(E)[-1] * _power(E).sum(-2)


def key_frequencies(E: np.ndarray) -> np.ndarray:
    """Return the frequencies k at which an embedding has more power than noise of its size would, in rising order.

    The share of one frequency in the power of m rows of noise follows Beta(m, m (K - 1)), K = (p - 1)/2; a frequency is
    key where its share is beyond that law's quantile 1 - 0.01 / K, so that one embedding of noise in a hundred has any.

    Shapes: E (m, p) -> (number of key frequencies,), int. Raises ValueError where p is even or below 5.
    """
    power = wave_power(E)
    m, count = np.shape(E)[-2], power.size
    if count < 2:
        raise ValueError(f"E must have five columns or more, got shape {np.shape(E)}")
    most = beta.isf(_FAMILY_WISE / count, m, m * (count - 1))
    return 1 + np.flatnonzero(power > most * power.sum())


def _power(E: np.ndarray) -> np.ndarray:
    """Return |Ê_k|² of each row for k = 1 … (p - 1)/2."""
    E = np.asarray(E, dtype=float)
    p = E.shape[-1] if E.ndim else 0
    if p < 3 or p % 2 == 0:
        raise ValueError(f"E must end in an odd number of columns, 3 or more, got shape {E.shape}")
    return abs(np.fft.rfft(E, axis=-1)[..., 1:]) ** 2
