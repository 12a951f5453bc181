"""What the closed forms take, as float64 arrays of shapes that go together."""

from typing import Any

import numpy as np


def model_arrays(W: Any, b: Any, importance: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return W (..., m, n), b and the importance (..., n) with the same leading axes.

    Raises ValueError when their shapes do not go together.
    """
    W, b, importance = (np.asarray(each, dtype=float) for each in (W, b, importance))
    n = W.shape[-1] if W.ndim >= 2 else 0
    if b.shape[-1:] != (n,):
        raise ValueError(f"W and b must have shapes (..., m, n) and (..., n), got {W.shape} and {b.shape}")
    if importance.shape[-1:] not in ((), (n,)):
        raise ValueError(f"importance must be one number or have shape (..., {n}), got shape {importance.shape}")
    return _spread(_common(W.shape[:-2], b.shape[:-1], importance.shape[:-1]), W, b, importance)


def population_arrays(
    W: Any, b: Any, density: Any, importance: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return W (..., m, n), b (..., n), the density (...) and the importance (..., n) with the same leading axes.

    Raises ValueError when their shapes do not go together, and where a density is not in [0, 1].
    """
    W, b, importance = model_arrays(W, b, importance)
    density = checked_density(density)
    batch = _common(b.shape[:-1], density.shape)
    W, b, importance = _spread(batch, W, b, importance)
    return W, b, np.broadcast_to(density, batch), importance


def checked_density(density: Any) -> np.ndarray:
    """Return the density p = 1 - S as an array; raises ValueError naming the first value that is not in [0, 1]."""
    density = np.asarray(density, dtype=float)
    outside = density[~((density >= 0) & (density <= 1))]
    if outside.size:
        raise ValueError(
            f"density={outside[0]:g} is not in [0, 1]; it is the probability p = 1 - S that a feature is on"
        )
    return density


def _common(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise ValueError(f"the leading axes {', '.join(map(str, shapes))} do not go together; give the same") from None


def _spread(
    batch: tuple[int, ...], W: np.ndarray, b: np.ndarray, importance: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return (
        np.broadcast_to(W, batch + W.shape[-2:]),
        np.broadcast_to(b, batch + b.shape[-1:]),
        np.broadcast_to(importance, batch + b.shape[-1:]),
    )
