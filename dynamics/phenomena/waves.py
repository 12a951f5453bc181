"""Waves over the numbers modulo p: what neurons that add learn."""

import numpy as np


def wave_shares(E: np.ndarray) -> np.ndarray:
    """Return how much of each neuron's weights lies at each frequency, |Ê_k|² / Σ_l |Ê_l|² over k, l = 1 … (p - 1)/2.

    Ê is the discrete Fourier transform of a row of E over the numbers 0 … p-1, and its mean, k = 0, is left out. The
    shares of a neuron add up to 1; they are all 2 / (p - 1) for a neuron of noise, on average, and one of them is 1 for
    one that is a single wave cos(2πka/p + φ). Those of a neuron without weights are 0.

    Shapes: E (..., m, p), a neuron each row -> (..., m, (p - 1)/2). Raises ValueError where p is even or below 3.
    Source: Gromov 2023, "Grokking modular arithmetic", arXiv 2301.02679.
    """
    E = np.asarray(E, dtype=float)
    p = E.shape[-1] if E.ndim else 0
    if p < 3 or p % 2 == 0:
        raise ValueError(f"E must end in an odd number of columns, 3 or more, got shape {E.shape}")
    power = abs(np.fft.rfft(E, axis=-1)[..., 1:]) ** 2
    total = power.sum(-1, keepdims=True)
    return power / (total + (total == 0))
