"""The theoretical phase diagrams of one extra feature: which of a few natural solutions loses least.

The last feature, of importance r, is the *extra* one; the others have importance one. With n features in n-1 dimensions
a solution either ignores a feature, at the bias p/2, or puts two of them in an antipodal pair, in superposition. These
are the best of fixed candidates: trained models near r = 1 also find solutions in between, at high densities.

Source: Toy Models of Superposition, "Superposition as a Phase Change", the figures for n=2, m=1 and n=3, m=2.
"""

from typing import Any

import numpy as np

from ..errors import SettingError
from .arguments import checked_density
from .linear_model import feature_variance

# Where three phases meet, in both diagrams: the extra feature's importance and the density.
TRIPLE_POINT = (1.0, 4 / 7)
# Of each candidate, the hidden vector of every feature, and which feature it ignores.
_CANDIDATES = {
    (2, 1): {
        "ignore extra": ([[1, 0]], 1),
        "ignore another": ([[0, 1]], 0),
        "extra in an antipodal pair": ([[1, -1]], None),
    },
    (3, 2): {
        "ignore extra": ([[1, 0, 0], [0, 1, 0]], 2),
        "ignore another": ([[0, 1, 0], [0, 0, 1]], 0),
        "extra in an antipodal pair": ([[1, 0, 0], [0, 1, -1]], None),
        "others in an antipodal pair": ([[1, -1, 0], [0, 0, 1]], None),
    },
}


def candidate_losses(n_features: int, n_hidden: int, density: Any, importance: Any) -> dict[str, np.ndarray]:
    """Return the population loss of every candidate solution, by its name, in closed form.

    Ignoring a feature of importance I costs I (p/3 - p²/4); an antipodal pair of importances I and J costs
    (I + J) E[min(x_i, x_j)²] = (I + J) p²/6, and two features at right angles cost nothing.

    density p and importance r, that of the extra feature, are numbers or arrays that broadcast, as are the losses.
    Raises SettingError for other sizes than (2, 1) and (3, 2), ValueError where a density is not in [0, 1].
    Source: Toy Models of Superposition, "Superposition as a Phase Change", the theoretical phase diagrams.
    """
    names = _candidates(n_features, n_hidden)
    p, r = np.broadcast_arrays(checked_density(density), np.asarray(importance, dtype=float))
    ignored = feature_variance(p)
    losses = {
        "ignore extra": r * ignored,
        "ignore another": ignored,
        "extra in an antipodal pair": (1 + r) * p**2 / 6,
        "others in an antipodal pair": p**2 / 3,
    }
    return {name: losses[name] for name in names}


def candidate_parameters(n_features: int, n_hidden: int, density: Any) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return W (m, n) and b (..., n) of every candidate solution; the bias is p/2 for an ignored feature, else 0.

    Shapes: density (...). Raises as candidate_losses() does.
    """
    p = checked_density(density)
    features = np.arange(n_features)
    return {
        name: (np.array(W, dtype=float), p[..., None] / 2 * (features == ignored))
        for name, (W, ignored) in _candidates(n_features, n_hidden).items()
    }


def best_candidate(n_features: int, n_hidden: int, density: Any, importance: Any) -> np.ndarray:
    """Return the name of the candidate with the least loss, the phase, at each density and importance.

    On a boundary it is the one that candidate_losses() lists first. Shapes and errors as in candidate_losses().
    """
    losses = candidate_losses(n_features, n_hidden, density, importance)
    return np.array(list(losses))[np.argmin(list(losses.values()), axis=0)]


def phase_boundary(n_features: int, n_hidden: int, importance: Any) -> np.ndarray:
    """Return the density p*(r) below which superposition is best and above which a feature is ignored.

    p* = 4r/(2 + 5r) where r <= 1, and beyond it 4/(5 + 2r) for two features and 4/7 for three. At r = 1 there is a
    further boundary, along the line through the triple point, between a phase and its mirror image in the extra
    feature: above p* for both, below it for three features.

    Shapes: importance (...) -> (...). Raises SettingError for other sizes than (2, 1) and (3, 2).
    Source: where the losses in "Superposition as a Phase Change" are equal.
    """
    _candidates(n_features, n_hidden)
    r = np.asarray(importance, dtype=float)
    beyond = 4 / (5 + 2 * r) if n_features == 2 else TRIPLE_POINT[1]
    return np.where(r <= 1, 4 * r / (2 + 5 * r), beyond)


def _candidates(n_features: int, n_hidden: int) -> dict[str, tuple[list[list[int]], int | None]]:
    if (n_features, n_hidden) not in _CANDIDATES:
        raise SettingError(
            f"n_features={n_features} with n_hidden={n_hidden} has no closed form; choose 2 with 1, or 3 with 2"
        )
    return _CANDIDATES[n_features, n_hidden]
