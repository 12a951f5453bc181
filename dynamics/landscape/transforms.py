"""The expected squared error of one output of the toy model, exact, with its derivatives, by an inverse transform.

Output i is ReLU(z) with z = Σ_j G_ij x_j + b_i + βε, ε normal. The features being independent but for their sets,
E e^{sz} is a product over the sets, and a mean of ReLU(z)² an integral of it along a line to the right of s = 0:

    ReLU(z)² = 1/2πi ∫ 2 e^{sz} / s³ ds,    ReLU(z) = 1/2πi ∫ e^{sz} / s² ds.

On the line s = σ + iω, β makes the integrand fall as e^{-β²ω²/2}: a sum over some hundred s is exact to rounding.
"""

import math
from typing import NamedTuple, cast

import torch
from torch import Tensor

from ..training.feature_data import FeatureDistribution

# Left out are the s with β²ω²/2 above the first, and with the second, σ times the period, what the sum repeats.
_FALLEN, _REPEATED = 30.0, 36.0
# Below it moments of e^{qt} come from their series, of so many terms; above it their recursion loses few digits.
_SMALL, _TERMS = 0.5, 14


class Line(NamedTuple):
    """The points s on which the integral is summed, (K,) complex, and what an integrand's value at each counts."""

    s: Tensor
    weights: Tensor

    @classmethod
    def through(cls, G: Tensor, b: Tensor, blur: float) -> "Line":
        """Return a line for all outputs; shapes G (n, n), b (n,).

        A sum with the spacing 2π/T repeats the integrand at z + T, z + 2T … with the factors e^{-σT} … T is twice the
        highest z there can be, so that what it repeats at z - T is 0.
        """
        highest = float((G.clamp(min=0).sum(1) + b.clamp(min=0)).max())
        period = 2 * (highest + 8 * blur) + 1
        spacing = 2 * math.pi / period
        count = math.ceil(math.sqrt(2 * _FALLEN) / blur / spacing)
        omega = (torch.arange(count, dtype=G.dtype) + 0.5) * spacing
        s = torch.complex(torch.full_like(omega, _REPEATED / period), omega)
        # The halves of the line are each other's conjugates: the real part of one counts twice.
        return cls(s, spacing / math.pi * (blur**2 * s.square() / 2).exp())


class Expansion(NamedTuple):
    """A function of one row of (G, b): its value (), slope (n + 1,) and second derivatives (n + 1, n + 1)."""

    value: Tensor
    slope: Tensor
    bend: Tensor


def expected_error(features: FeatureDistribution, line: Line, row: Tensor, i: int) -> Expansion:
    """Return E(x_i - ReLU(G_i·x + b_i + βε))² and its derivatives; row (n + 1,) is G_i and b_i.

    The factor of feature i's own set holds the kernel of the error: 2/s³ where the feature is off, and where it is on
    ∫₀¹ (2/s³ - 2t/s²) e^{ast} dt with a = G_ii, to which E x_i² is added.
    """
    size = features.n_features // features.units
    off, members = _own_kernel(features, line.s, row[:-1], i)
    factor, first, second = _factors(features, off, members.unflatten(1, (features.units, size)))
    whole = line.weights * (line.s * row[-1]).exp() * factor.prod(0)
    first = first / factor[:, None]
    slopes = torch.cat([first.flatten(0, 1), line.s[None]])
    bend = ((slopes * whole) @ slopes.mT).real
    # Between sets the mixed derivative is the product of two first ones; within a set its factor has its own.
    within = second / factor[:, None, None] - first[:, :, None] * first[:, None, :]
    blocks = bend[:-1, :-1].unflatten(1, (-1, size)).unflatten(0, (-1, size))
    blocks.diagonal(dim1=0, dim2=2).add_((within * whole).sum(-1).real.permute(1, 2, 0))
    return Expansion(whole.sum().real + _on(features) / 3, (slopes @ whole).real, bend)


def second_moments(features: FeatureDistribution) -> Tensor:
    """Return E (x, 1)(x, 1)^T, shape (n + 1, n + 1)."""
    n, size = features.n_features, features.n_features // features.units
    on = _on(features)
    together = _density(features) if features.correlation == "correlated" else 0.0
    unit = torch.arange(n) // size
    M = torch.full((n + 1, n + 1), on**2 / 4, dtype=torch.float64)
    M[:n, :n][unit[:, None] == unit] = together / 4
    M[range(n), range(n)] = on / 3
    M[n, :n] = M[:n, n] = on / 2
    M[n, n] = 1
    return M


def _on(features: FeatureDistribution) -> float:
    """Return the probability that one feature is on."""
    shared = features.n_features // features.units if features.correlation == "anticorrelated" else 1
    return _density(features) / shared


def _density(features: FeatureDistribution) -> float:
    """Return p, which is one number on a PopulationSurface."""
    return cast("float", features.density)


def _own_kernel(features: FeatureDistribution, s: Tensor, row: Tensor, i: int) -> tuple[Tensor, Tensor]:
    """Return for each set what it gives while it is off, (units, K), and for each feature while it is on.

    That is E e^{G_ij s x_j} with its first and second derivative by G_ij, (3, n, K); the set of feature i has the
    kernel of the error as a factor, once in each of the terms that _factors adds.
    """
    size = len(row) // features.units
    own = i // size
    u0, u1, u2, u3 = _moments(s * row[:, None])
    off, members = torch.ones(features.units, len(s), dtype=s.dtype), torch.stack([u0, s * u1, s**2 * u2])
    off[own] = 2 / s**3
    if features.correlation == "anticorrelated":
        members[:, own * size : (own + 1) * size] *= off[own]
    members[0, i] = 2 * u0[i] / s**3 - 2 * u1[i] / s**2
    members[1, i] = 2 * u1[i] / s**2 - 2 * u2[i] / s
    members[2, i] = 2 * u2[i] / s - 2 * u3[i]
    return off, members


def _factors(features: FeatureDistribution, off: Tensor, members: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return E e^{sz} of each set with its derivatives; (units, K), (units, size, K), (units, size, size, K)."""
    p, (zeroth, first, second) = _density(features), members
    if features.correlation == "anticorrelated":
        share = _on(features)
        return (1 - p) * off + share * zeroth.sum(1), share * first, share * _diagonal(second)
    on, ratio = p * zeroth.prod(1), first / zeroth
    across = ratio[:, :, None] * ratio[:, None, :] + _diagonal(second / zeroth - ratio.square())
    return (1 - p) * off + on, on[:, None] * ratio, on[:, None, None] * across


def _diagonal(values: Tensor) -> Tensor:
    """Return (units, size, K) on the diagonal of (units, size, size, K)."""
    return torch.diag_embed(values.movedim(1, -1), dim1=1, dim2=2)


def _moments(q: Tensor) -> list[Tensor]:
    """Return ∫₀¹ t^k e^{qt} dt for k = 0 … 3, elementwise."""
    small = q.abs() < _SMALL
    far = torch.where(small, 1, q)
    e, inverse = far.exp(), far.reciprocal()
    moments = [(e - 1) * inverse]
    for k in range(1, 4):
        moments.append((e - k * moments[-1]) * inverse)
    # Of many points few are small, and a series costs more than all else.
    near = q[small]
    for k, moment in enumerate(moments):
        moment[small] = _series(near, k)
    return moments


def _series(q: Tensor, k: int) -> Tensor:
    """Return Σ_j q^j / (j! (j + k + 1)), which is the same for small q."""
    total = torch.zeros_like(q)
    for j in reversed(range(_TERMS)):
        total = total * q + 1 / (math.factorial(j) * (j + k + 1))
    return total
