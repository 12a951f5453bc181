"""The known critical point nearest to a model of two hidden dimensions: a k-gon with dead features."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from ..theory.kgons import KGon, best_kgon, kgon_llc, kgon_loss

# The polygons of Chen et al.'s table; of larger ones several share a symmetry.
LARGEST = 8
# Turns of the polygon from which its fit starts, as fractions of the angle between two vertices.
_STARTS = np.arange(8) / 8

_kgon = cache(best_kgon)


@dataclass(frozen=True, eq=False)
class KnownPoint:
    """A k-gon placed where it is nearest to a model.

    W (2, n) and b (n,) are the critical point, turned and with those features for vertices that make it nearest; lifted
    is how many of the other features have the bias 1/(2n) instead of one that is not above 0. distance is
    √(|ΔW|² + |Δb|²) and loss the one-hot loss, mean over features.
    """

    kgon: KGon
    lifted: int
    W: np.ndarray
    b: np.ndarray
    distance: float
    loss: float

    @property
    def name(self) -> str:
        """The name that Chen et al. give it, such as ``5-gon+``: a plus for each lifted feature."""
        return f"{self.kgon.sides}-gon{'+' * self.lifted}"

    @property
    def llc(self) -> float | None:
        """Its local learning coefficient, None where theory has none."""
        return kgon_llc(self.kgon, len(self.b), lifted=self.lifted)


def nearest_kgon(W: Any, b: Any) -> KnownPoint:
    """Return the k-gon critical point nearest to (W, b) over all turns, reflections and orders of the features.

    k goes from 2 to n, and to 8 at most; the other n - k features are dead, with W_i = 0 and a bias that is 1/(2n) or
    any value not above 0. For each k features are matched with vertices and the vertices turned, one after the other
    until nothing changes, from several turns; the best is nearly always, not provably, the nearest.

    Shapes: W (2, n), b (n,), n >= 2; raises ValueError on others.
    Source: Chen et al. 2023, arXiv 2310.06301, its table of k-gons.
    """
    W, b = np.asarray(W, dtype=float), np.asarray(b, dtype=float)
    if W.ndim != 2 or len(W) != 2 or W.shape[1] < 2 or b.shape != W.shape[1:]:
        raise ValueError(f"W must have shape (2, n) with n >= 2 and b (n,), got {W.shape} and {b.shape}")
    kgons = [_kgon(sides) for sides in range(2, min(len(b), LARGEST) + 1)]
    fits = [_fit(W, b, kgon, 2 * np.pi * start / kgon.sides) for kgon in kgons for start in _STARTS]
    return min(fits, key=lambda fit: fit.distance)


def _fit(W: np.ndarray, b: np.ndarray, kgon: KGon, turn: float) -> KnownPoint:
    """Match features with vertices and turn the vertices until neither changes."""
    from scipy.optimize import linear_sum_assignment

    rest = _dead_bias(b)
    dead = np.square(W).sum(axis=0) + np.square(b - rest)
    best = np.inf
    while True:
        angles = turn + 2 * np.pi * np.arange(kgon.sides) / kgon.sides
        vertices = kgon.radius * np.stack([np.cos(angles), np.sin(angles)])
        alive = np.square(W[:, :, None] - vertices[:, None, :]).sum(axis=0) + np.square(b - kgon.bias)[:, None]
        # What it costs that a feature is this vertex instead of dead.
        features, chosen = linear_sum_assignment(alive - dead[:, None])
        cost = (alive - dead[:, None])[features, chosen].sum()
        if cost >= best - 1e-12:
            return _placed(W, b, kgon, features, vertices[:, chosen])
        best = cost
        # The turn that brings the matched vertices nearest: the phase of Σ conj(v) w in the complex plane.
        w, v = (pair[0] + 1j * pair[1] for pair in (W[:, features], vertices[:, chosen]))
        turn += float(np.angle((v.conj() * w).sum()))


def _placed(W: np.ndarray, b: np.ndarray, kgon: KGon, features: np.ndarray, vertices: np.ndarray) -> KnownPoint:
    at_W, at_b = np.zeros_like(W), _dead_bias(b)
    lifted = int((np.delete(at_b, features) > 0).sum())
    at_W[:, features], at_b[features] = vertices, kgon.bias
    distance = float(np.sqrt(np.square(W - at_W).sum() + np.square(b - at_b).sum()))
    return KnownPoint(kgon, lifted, at_W, at_b, distance, kgon_loss(kgon, len(b), lifted=lifted))


def _dead_bias(b: np.ndarray) -> np.ndarray:
    """Return the nearest bias at which a dead feature is critical: 1/(2n), or whatever is not above 0."""
    lifted = 1 / (2 * len(b))
    return np.where(b > lifted / 2, lifted, np.minimum(b, 0))
