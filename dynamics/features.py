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

    def sample(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Draw x of shape (*shape, n); *shape* is (batch,), or (instances, batch) for an ensemble."""
        p = self._per_instance(generator)
        return self._magnitudes(torch.rand(*shape, self.units, **_like(generator)) < p, generator)

    def sample_active(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Draw x of shape (*shape, n) on the condition that at least one feature is on.

        The first unit that is on is drawn from the truncated geometric distribution, the later ones as usual, so no
        draw is wasted however sparse the features are.
        """
        p = self._per_instance(generator)
        silent = (1 - p.double()) ** self.units
        draw = torch.rand(*shape, 1, **_like(generator)).double()
        # At p = 1 the logarithm is -inf and the quotient 0: the first unit is always on.
        first = (torch.log1p(-draw * (1 - silent)) / torch.log1p(-p.double())).floor().clamp(max=self.units - 1)
        unit = torch.arange(self.units, device=generator.device)
        later = (unit > first) & (torch.rand(*shape, self.units, **_like(generator)) < p)
        return self._magnitudes(later | (unit == first), generator)

    def _per_instance(self, generator: torch.Generator) -> Tensor:
        p = torch.tensor(self.density, device=generator.device)
        return p[:, None, None] if p.ndim else p

    def _magnitudes(self, on: Tensor, generator: torch.Generator) -> Tensor:
        """Turn the units that are on, shape (..., units), into features, shape (..., n)."""
        if self.correlation != "independent":
            on = on.repeat_interleave(self.n_features // self.sets, dim=-1)
        if self.correlation == "anticorrelated":
            on = on & self._one_of_each_set(on.shape, generator)
        return torch.rand(on.shape, **_like(generator)) * on

    def _one_of_each_set(self, shape: torch.Size, generator: torch.Generator) -> Tensor:
        size = self.n_features // self.sets
        chosen = torch.randint(size, (*shape[:-1], self.sets, 1), **_like(generator))
        return (chosen == torch.arange(size, device=generator.device)).flatten(-2)


def _like(generator: torch.Generator) -> dict:
    return {"generator": generator, "device": generator.device}
