"""Draws from exp(-U) by Hamiltonian dynamics: many chains about many points as one batch."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

BatchLoss = Callable[[Tensor], Tensor]

# Leaps of one trajectory, their first and longest length in units of the posterior's width, and how much it varies:
# four of 0.45 turn a normal distribution by about a quarter, so that draws are nearly independent.
_LEAPS, _STEP, _JITTER = 4, 0.45, 0.4
# In narrow places only short steps are taken: this share of the trajectories has them, shorter by so much.
_SHORT_SHARE, _SHORT = 0.2, 0.2
# The share of trajectories that should be accepted, and how fast the step follows it.
_ACCEPTED, _RATE = 0.85, 0.3
# Widths are learned this often before the draws that count; they grow and shrink at most by this factor.
_LESSONS, _CHANGE = 5, 5.0


@dataclass(frozen=True, eq=False)
class Draws:
    """What was drawn: of each draw nβ(L - L₀), (T, G, chains), and the virials δ_k ∂_k U, (T, G, chains, d).

    G are the wells, each with a place and a localisation of its own. acceptance (G, chains) is the share of the
    trajectories that was accepted, and lowest (G,) the least nβ(L - L₀) on any of them, accepted or not.
    """

    excess: Tensor
    virial: Tensor
    acceptance: Tensor
    lowest: Tensor


@dataclass(frozen=True, eq=False)
class Wells:
    """Where to draw from: U(δ) = nβ (L(w + δ) - L(w)) + γ/2 |δ|².

    points (G, d), basis (G, d, d) with the directions as columns, scale (G, d) their widths, localisation γ (G,) and
    n_beta (G,).
    """

    loss: BatchLoss
    points: Tensor
    basis: Tensor
    scale: Tensor
    localisation: Tensor
    n_beta: Tensor


def draw(wells: Wells, *, chains: int, warmup: int, draws: int, generator: torch.Generator) -> Draws:
    """Return *draws* of each chain of each well, after *warmup* in which step and widths are learned.

    Source: Neal 2011, "MCMC using Hamiltonian dynamics".
    """
    sampler = _Sampler(wells, chains, generator)
    for lesson in range(_LESSONS):
        sampler.learn(warmup // _LESSONS, widths=lesson < _LESSONS - 1)
    sampler.start_counting()
    kept = [sampler.move() for _ in range(draws)]
    return Draws(
        excess=torch.stack([excess for excess, _ in kept]),
        virial=torch.stack([virial for _, virial in kept]),
        acceptance=sampler.accepted / max(draws, 1),
        lowest=sampler.lowest,
    )


class _Sampler:
    """The chains where they are: q (G, chains, d) in units of scale along the basis."""

    def __init__(self, wells: Wells, chains: int, generator: torch.Generator):
        self._wells, self._generator = wells, generator
        self.scale = wells.scale.clone()
        self._base = wells.loss(wells.points)
        groups, d = wells.points.shape
        self._step = torch.full((groups, 1, 1), _STEP, dtype=torch.float64)
        self.accepted = torch.zeros((groups, chains), dtype=torch.float64)
        self.lowest = torch.zeros(groups, dtype=torch.float64)
        self._to(self._normal(groups, chains, d))

    def learn(self, moves: int, *, widths: bool) -> None:
        """Draw and forget, adapting the step, and then the *widths* of the directions."""
        seen = []
        for _ in range(moves):
            before = self.accepted.clone()
            self.move()
            surplus = (self.accepted - before).mean(1)[:, None, None] - _ACCEPTED
            self._step = (self._step * (_RATE * surplus).exp()).clamp(max=_STEP)
            seen.append(self._q)
        if widths and seen:
            # About the point, not about the mean: what is not explored yet must not look narrow.
            spread = torch.stack(seen[len(seen) // 3 :]).square().mean((0, 2)).sqrt()
            factor = spread.clamp(1 / _CHANGE, _CHANGE)
            self.scale = self.scale * factor
            self._to(self._q / factor[:, None])

    def start_counting(self) -> None:
        """Forget what was accepted and seen so far."""
        self.accepted, self.lowest = torch.zeros_like(self.accepted), torch.zeros_like(self.lowest)

    def move(self) -> tuple[Tensor, Tensor]:
        """Make one trajectory of each chain; return nβ(L - L₀) and the virials where they are then."""
        q, slope, energy = self._q, self._slope, self._energy
        p = self._normal(*q.shape)
        start = energy + p.square().sum(-1) / 2
        step = self._step * (1 + _JITTER * (2 * self._uniform(*q.shape[:2], 1) - 1))
        step = torch.where(self._uniform(*q.shape[:2], 1) < _SHORT_SHARE, _SHORT * step, step)
        excess = self._excess
        for _ in range(_LEAPS):
            p = p - step / 2 * slope
            q = q + step * p
            energy, slope, excess = self._look(q)
            p = p - step / 2 * slope
            # Where the loss falls the step is too long for the fall, and nobody would be seen to arrive.
            self.lowest = torch.minimum(self.lowest, excess.nan_to_num(nan=0.0).amin(1))
        surplus = start - energy - p.square().sum(-1) / 2
        # Where the loss is not finite nobody goes.
        taken = (self._uniform(*q.shape[:2]).log() < surplus.nan_to_num(nan=-torch.inf)) & energy.isfinite()
        self._q = torch.where(taken[..., None], q, self._q)
        self._slope = torch.where(taken[..., None], slope, self._slope)
        self._energy = torch.where(taken, energy, self._energy)
        self._excess = torch.where(taken, excess, self._excess)
        self.accepted = self.accepted + taken.double()
        return self._excess, self._q * self._slope

    def _to(self, q: Tensor) -> None:
        self._q = q
        self._energy, self._slope, self._excess = self._look(q)

    def _look(self, q: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return U and its slope by q, and nβ(L - L₀)."""
        wells = self._wells
        delta = (q * self.scale[:, None]) @ wells.basis.mT
        theta = (wells.points[:, None] + delta).flatten(0, 1)
        value, slope = value_and_slope(wells.loss, theta)
        excess = wells.n_beta[:, None] * (value.unflatten(0, q.shape[:2]) - self._base[:, None])
        pull = wells.localisation[:, None, None] * delta
        energy = excess + (pull * delta).sum(-1) / 2
        along = (wells.n_beta[:, None, None] * slope.unflatten(0, q.shape[:2]) + pull) @ wells.basis
        return energy, along * self.scale[:, None], excess

    def _normal(self, *shape: int) -> Tensor:
        return torch.randn(shape, dtype=torch.float64, generator=self._generator)

    def _uniform(self, *shape: int) -> Tensor:
        return torch.rand(shape, dtype=torch.float64, generator=self._generator)


def value_and_slope(loss: BatchLoss, theta: Tensor) -> tuple[Tensor, Tensor]:
    """Return the loss of each row of *theta* (B, d), (B,), and its gradient, (B, d).

    A loss that has a value_and_slope(theta) of its own is asked for both: no graph is needed.
    """
    known = getattr(loss, "value_and_slope", None)
    if known is not None:
        return known(theta)
    theta = theta.detach().requires_grad_()
    with torch.enable_grad():
        value = loss(theta)
        (slope,) = torch.autograd.grad(value.sum(), theta, allow_unused=True, materialize_grads=True)
    return value.detach(), slope
