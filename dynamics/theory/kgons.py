"""The k-gons: critical points of the loss in two dimensions, k features as a regular polygon and the rest unused.

Exactly one of c features is on, uniform on [0, 1], each as often as the others, and the loss is the mean over features,
L = L_1 / c. In a k-gon W_i = l (cos 2πi/k, sin 2πi/k) and b_i = b <= 0 for the k features that live; the others are
dead, W_i = 0, with any bias below 0 or, lowering the loss, with 1/(2c).

Source: Chen, Lau, Mendel, Wei and Murfet 2023, arXiv 2310.06301, "Dynamical versus Bayesian Phase Transitions in a
Toy Model of Superposition".
"""

from typing import Any, NamedTuple

import numpy as np

from ..errors import SettingError
from .sparse_losses import ramp_error, ramp_error_slopes

# The polygons whose coefficient is known.
_LARGEST = 8


class KGon(NamedTuple):
    """The best regular polygon of so many sides: its radius l*, its bias b*, and its energy h there."""

    sides: int
    radius: float
    bias: float
    energy: float


def kgon_energy(sides: int, radius: Any, bias: Any) -> np.ndarray:
    """Return what the k living features lose, on a scale on which a dead feature loses 1.

    h = 3k ∫₀¹ [(x - ReLU(l² x + b))² + Σ_{j=1}^{k-1} ReLU(l² cos(2πj/k) x + b)²] dx. It counts inputs to the living
    features alone; on the others these lose nothing as long as b <= 0.

    Shapes: radius and bias (...), broadcast -> (...). Raises SettingError for fewer than two sides.
    Source: arXiv 2310.06301, the loss at a k-gon.
    """
    cosines, own = _polygon(sides)
    slope = np.square(radius)[..., None] * cosines
    return 3 * sides * ramp_error(slope, np.asarray(bias)[..., None], own).sum(-1)


def best_kgon(sides: int) -> KGon:
    """Return the k-gon with the least energy over radius and bias, where the slopes of the exact energy vanish.

    Up to four sides its energy is 0, at l = 1 and b = 0. Raises SettingError for fewer than two sides.
    Source: arXiv 2310.06301, its table of k-gons.
    """
    from scipy.optimize import root

    # The best point of a grid picks the valley; the slopes then lead to its floor, which at four sides has a kink.
    radius, bias = np.meshgrid(np.linspace(0.5, 2, 32), np.linspace(-2, -0.03, 41))
    start = np.argmin(kgon_energy(sides, radius, bias))
    found = root(lambda point: _slopes(sides, *point), [radius.flat[start], bias.flat[start]], tol=1e-12)
    best_radius, best_bias = float(found.x[0]), min(float(found.x[1]), 0.0)
    return KGon(sides, best_radius, best_bias, float(kgon_energy(sides, best_radius, best_bias)))


def kgon_loss(kgon: KGon, n_features: int, *, lifted: int = 0) -> float:
    """Return the loss of a k-gon among c features, L = (h + c - k)/(3c) - lifted/(4c²).

    Each *lifted* dead feature has the bias 1/(2c), which lowers the loss by 1/(4c²); of the others it is negative.
    Raises SettingError where the features are fewer than the sides, or fewer are dead than lifted.
    Source: arXiv 2310.06301, the loss at a k-gon.
    """
    _check_room(kgon, n_features, lifted)
    c = n_features
    return (kgon.energy + c - kgon.sides) / (3 * c) - lifted / (4 * c**2)


def kgon_llc(kgon: KGon, n_features: int, *, lifted: int = 0) -> float | None:
    """Return the local learning coefficient of a k-gon, None where it is not known.

    Of five sides to eight the 3k living parameters are regular but for the rotation, (3k - 1)/2; a lifted dead feature
    adds 3/2, and one with a negative bias nothing: small W_i leave every output as it is. At four sides the living
    biases are 0, where across the rotation the loss is homogeneous of degree 2: 11/2, and 1 more for each dead feature
    with a negative bias, whose W_i the living outputs see.

    Raises SettingError as kgon_loss() does.
    Source: arXiv 2310.06301 for five sides and more, by counting; the square is derived here.
    """
    _check_room(kgon, n_features, lifted)
    if not 4 <= kgon.sides <= _LARGEST:
        return None
    if kgon.sides == 4:
        return 5.5 + (n_features - kgon.sides - lifted) + 1.5 * lifted
    return (3 * kgon.sides - 1) / 2 + 1.5 * lifted


def kgon_parameters(kgon: KGon, n_features: int, *, lifted: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return W (2, c) and b (c,) of a k-gon: the living features, then the *lifted* dead ones, then the others.

    The others have the bias -1/(2c); any negative one does as well. At 0 the loss would have a kink.

    Raises SettingError as kgon_loss() does.
    """
    _check_room(kgon, n_features, lifted)
    c = n_features
    angles = 2 * np.pi * np.arange(kgon.sides) / kgon.sides
    W, b = np.zeros((2, c)), np.full(c, -1 / (2 * c))
    W[:, : kgon.sides] = kgon.radius * np.stack([np.cos(angles), np.sin(angles)])
    b[: kgon.sides] = kgon.bias
    b[kgon.sides : kgon.sides + lifted] = 1 / (2 * c)
    return W, b


def _slopes(sides: int, radius: float, bias: float) -> np.ndarray:
    """Return the derivatives of the energy by radius and by bias."""
    cosines, own = _polygon(sides)
    by_slope, by_offset = ramp_error_slopes(radius**2 * cosines, np.full(sides, bias), own)
    return 3 * sides * np.array([2 * radius * (by_slope @ cosines), by_offset.sum()])


def _polygon(sides: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the cosines between the first feature and all of them, and which of these is itself; each (sides,)."""
    if sides < 2:
        raise SettingError(f"sides={sides} make no polygon; choose two or more")
    j = np.arange(sides)
    return np.cos(2 * np.pi * j / sides), (j == 0).astype(float)


def _check_room(kgon: KGon, n_features: int, lifted: int) -> None:
    if not 0 <= lifted <= n_features - kgon.sides:
        dead = n_features - kgon.sides
        raise SettingError(f"n_features={n_features} leave {dead} dead for {kgon.sides} sides and lifted={lifted}")
