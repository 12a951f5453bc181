"""What the models are trained on: sparse features, alone or in sets.

A feature is zero with probability S and otherwise uniform on [0, 1], or on [-1, 1] where it is signed; density
p = 1 - S. Features that share a *unit* share one coin: on their own each feature is its own unit; correlated features
are switched on a whole set at a time; of an anticorrelated set at most one feature is on.

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
    Where *signed*, a feature that is on is uniform on [-1, 1]. One anticorrelated set of density 1 is one-hot data:
    always exactly one feature is on.
    """

    n_features: int
    density: float | tuple[float, ...]
    correlation: str = "independent"
    sets: int = 1
    signed: bool = False

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
        on = torch.rand(*shape, self.units, **_like(generator)) < p
        return self._switch(on, torch.rand(*shape, self._places_needed, **_like(generator)))

    def sample_shared(self, shape: tuple[int, int, int], generator: torch.Generator) -> Tensor:
        """Draw x of shape (points · repeat, batch, n), *shape* being (points, repeat, batch), for points that share.

        Each model's x has the distribution that sample() draws from. The k-th models of all points get the same random
        numbers, so that of two points the denser has on what the sparser has; models of one point get their own. The
        density is one number, or one for each model, the same for all of a point.
        """
        p = torch.tensor(self.density, device=generator.device)
        if p.ndim:
            p = p.view(*shape[:2], 1, 1)[:, :1]
        coin = torch.rand(*shape[1:], self.units, **_like(generator))
        if self.correlation == "independent" and not self.signed:
            # Below p the chance coin / p is itself evenly spread, and at p a feature is 0.
            x = (coin * (-1 / p)).add_(1).clamp_(min=0)
        else:
            place = torch.rand(*shape[1:], self._places_needed, **_like(generator))
            magnitude = self._switch(torch.ones_like(coin, dtype=torch.bool), place)
            x = torch.where(coin.repeat_interleave(self.n_features // self.units, dim=-1) < p, magnitude, 0)
        return x.expand(shape[0], *x.shape[-3:]).flatten(0, 1)

    def spread_single(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Return x of shape (*shape, n) whose mean is that over all x with exactly one unit on.

        The samples are spread evenly instead of drawn one by one, which makes means over them far more exact: the unit
        runs through all of them in order, and meanwhile the magnitudes run through [0, 1] along a Kronecker sequence,
        every stretch of which is even.
        """
        chosen = (self._places(shape, generator) * self.units).floor()
        on = torch.arange(self.units, device=generator.device) == chosen
        return self._switch(on, self._kronecker(shape, self._places_needed, generator).float())

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
        # One sequence for all of them, since two would run in step with each other.
        columns = [1, self._places_needed]
        place, even = self._kronecker(shape, sum(columns), generator).split(columns, dim=-1)
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
            even = torch.where(later, chance / p, even.float())
        return self._switch(on, even.float())

    @property
    def _places_needed(self) -> int:
        """How many numbers in [0, 1) say what the features are that are on."""
        return self.sets if self.correlation == "anticorrelated" else self.n_features

    def _switch(self, on: Tensor, place: Tensor) -> Tensor:
        """Return x, shape (..., n), from the units that are on, (..., units), and places in [0, 1), (..., needed)."""
        size = self.n_features // self.sets
        if self.correlation == "correlated":
            on = on.repeat_interleave(size, dim=-1)
        if self.correlation == "anticorrelated":
            # The place chooses the feature, and its place among those that choose the same one is the magnitude.
            place = (place * size).repeat_interleave(size, dim=-1)
            chosen = place.floor() == torch.arange(size, device=on.device).repeat(self.sets)
            on, place = on.repeat_interleave(size, dim=-1) & chosen, place % 1
        return (2 * place - 1 if self.signed else place) * on

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

    def _stratified(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Return uniform numbers of *shape* (..., N, units) with one in each of N equal parts of [0, 1]."""
        order = torch.rand(shape, **_like(generator)).argsort(dim=-2)
        return (order + torch.rand(shape, **_like(generator))) / shape[-2]


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
