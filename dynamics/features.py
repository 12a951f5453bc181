"""What the models are trained on: sparse features, alone or in sets.

A feature is zero with probability S and otherwise uniform on [0, 1]; density p = 1 - S. Features that share a *unit*
share one coin: on their own each feature is its own unit; correlated features are switched on a whole set at a time;
of an anticorrelated set at most one feature is on.

Source: Toy Models of Superposition, "Experiment Setup" and "The Geometry of Correlated Superposition".
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class FeatureDistribution:
    """The distribution of the n features x, for one model or for each member of an ensemble.

    density is one number, or one for each instance; correlation is independent, correlated or anticorrelated; sets is
    how many equal sets of neighbouring features there are, and is read only where the features are (anti)correlated.
    """

    n_features: int
    density: float | tuple[float, ...]
    correlation: str = "independent"
    sets: int = 1

    @property
    def units(self) -> int:
        """How many independent coins decide which features are on."""
        return self.n_features if self.correlation == "independent" else self.sets

    def probability_of_silence(self) -> Tensor:
        """Return the probability that every feature is zero, S^units; shape () or (instances,), float64."""
        return (1 - torch.tensor(self.density, dtype=torch.float64)) ** self.units

    def probability_of_single(self) -> Tensor:
        """Return the probability that exactly one unit is on, units p S^(units-1); shape () or (instances,)."""
        p = torch.tensor(self.density, dtype=torch.float64)
        return self.units * p * (1 - p) ** (self.units - 1)

    def sample(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Draw x of shape (*shape, n); *shape* is (batch,), or (instances, batch) for an ensemble."""
        p = self._per_instance(generator)
        on = self._features_of(torch.rand(*shape, self.units, **_like(generator)) < p, generator)
        return torch.rand(on.shape, **_like(generator)) * on

    def spread_single(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Return x of shape (*shape, n) whose mean is that over all x with exactly one unit on.

        The samples are spread evenly instead of drawn one by one, which makes means over them far more exact: the unit
        runs through all of them in order, and meanwhile the magnitudes run through [0, 1] along a Kronecker sequence,
        every stretch of which is even.
        """
        chosen = (self._places(shape, generator) * self.units).floor()
        on = torch.arange(self.units, device=generator.device) == chosen
        return self._kronecker(shape, self.n_features, generator).float() * self._features_of(on, generator)

    def spread_several(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Return x of shape (*shape, n) whose mean is that over all x with two units on or more.

        Spread evenly as in spread_single(). The first unit that is on runs through its distribution given that there is
        a second, the second through the truncated geometric one; of the later ones each has one sample in each of N
        equal parts of [0, 1], which decides whether it is on. Raises ValueError where there is one unit only.
        """
        if self.units < 2:
            raise ValueError(f"units={self.units}: there are no two to be on together")
        p = self._per_instance(generator)
        S = 1 - p.double()
        index = torch.arange(self.units - 1, device=generator.device)
        weight = S**index * (1 - S ** (self.units - 1 - index))
        cumulated = weight.cumsum(-1) / weight.sum(-1, keepdim=True)
        first = (self._places(shape, generator) > cumulated[..., :-1]).sum(-1, keepdim=True)
        # One sequence for both, since two would run in step with each other.
        place, even = self._kronecker(shape, 1 + self.n_features, generator).split([1, self.n_features], dim=-1)
        rest = self.units - 1 - first
        # At p = 1 the lower logarithm is -inf and the quotient 0: the next unit is always on.
        further = (torch.log1p(-place * (1 - S**rest)) / torch.log1p(-p.double())).floor().clamp(min=0)
        second = torch.minimum(first + 1 + further, torch.full_like(further, self.units - 1))
        chance = self._stratified((*shape, self.units), generator)
        unit = torch.arange(self.units, device=generator.device)
        later = (unit > second) & (chance < p)
        on = later | (unit == first) | (unit == second)
        if self.correlation == "independent":
            # Below p the chance is itself evenly spread, which serves for the magnitude.
            return torch.where(later, chance / p, even.float()) * on
        return even.float() * self._features_of(on, generator)

    def _places(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Return ascending numbers, one in each of N equal parts of [0, 1]; shape (*shape, 1), float64."""
        row = torch.arange(shape[-1], device=generator.device, dtype=torch.float64)[:, None]
        return (row + torch.rand(*shape, 1, **_like(generator)).double()) / shape[-1]

    def _kronecker(self, shape: tuple[int, ...], columns: int, generator: torch.Generator) -> Tensor:
        """Return points of a Kronecker sequence, k α mod 1 from a random start; shape (*shape, columns), float64."""
        row = torch.arange(shape[-1], device=generator.device, dtype=torch.float64)[:, None]
        start = torch.rand(*shape[:-1], 1, columns, **_like(generator)).double()
        return (row * _irrationals(columns).to(row) + start) % 1

    def _per_instance(self, generator: torch.Generator) -> Tensor:
        p = torch.tensor(self.density, device=generator.device)
        return p[:, None, None] if p.ndim else p

    def _features_of(self, on: Tensor, generator: torch.Generator) -> Tensor:
        """Turn the units that are on, shape (..., units), into the features that are on, shape (..., n)."""
        if self.correlation != "independent":
            on = on.repeat_interleave(self.n_features // self.sets, dim=-1)
        if self.correlation == "anticorrelated":
            on = on & self._one_of_each_set(on.shape, generator)
        return on

    def _stratified(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Return uniform numbers of *shape* (..., N, units) with one in each of N equal parts of [0, 1]."""
        order = torch.rand(shape, **_like(generator)).argsort(dim=-2)
        return (order + torch.rand(shape, **_like(generator))) / shape[-2]

    def _one_of_each_set(self, shape: torch.Size, generator: torch.Generator) -> Tensor:
        size = self.n_features // self.sets
        chosen = torch.randint(size, (*shape[:-1], self.sets, 1), **_like(generator))
        return (chosen == torch.arange(size, device=generator.device)).flatten(-2)


def _like(generator: torch.Generator) -> dict:
    return {"generator": generator, "device": generator.device}


def _irrationals(count: int) -> Tensor:
    """Return the fractional parts of the roots of the first primes, which no ratio of small numbers comes near."""
    primes: list[int] = []
    candidate = 2
    while len(primes) < count:
        if all(candidate % prime for prime in primes):
            primes.append(candidate)
        candidate += 1
    return torch.tensor(primes, dtype=torch.float64).sqrt() % 1
