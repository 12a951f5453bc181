"""The toy models: a bottleneck of m dimensions that has to carry n sparse features."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn


class ToyModel(nn.Module):
    """The model y = f(W^T W x + b), with f the ReLU or, in the linear model, the identity.

    W has shape ([instances,] m, n), b ([instances,] n). Instances are independent models trained as one batch; the
    first values of each depend on (seed, its index) alone, never on how many there are. W ~ N(0, init_std²), by
    default Xavier's std sqrt(2 / (m + n)) of a single model; b = 0.

    Source: Toy Models of Superposition, "Demonstrating Superposition", The ReLU Output Model.
    """

    def __init__(
        self,
        n_features: int,
        n_hidden: int,
        *,
        n_instances: int | None = None,
        nonlinearity: str | Sequence[str] = "relu",
        init_std: float | None = None,
        seed: int = 0,
    ):
        super().__init__()
        self.n_instances = n_instances
        std = (2 / (n_features + n_hidden)) ** 0.5 if init_std is None else init_std
        members = [std * _normal((n_hidden, n_features), seed, member) for member in range(n_instances or 1)]
        self.W = nn.Parameter(torch.stack(members) if n_instances else members[0])
        self.b = nn.Parameter(torch.zeros(*self.W.shape[:-2], n_features))
        names = {nonlinearity} if isinstance(nonlinearity, str) else set(nonlinearity)
        self.is_linear = names == {"linear"}
        self.linear_members: Tensor | None
        mask = torch.tensor([name == "linear" for name in nonlinearity])[:, None, None] if len(names) > 1 else None
        self.register_buffer("linear_members", mask, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Reconstruct x; shapes ([instances,] batch, n) -> the same."""
        return self.output(x, self.W, self.b)

    def output(self, x: Tensor, W: Tensor, b: Tensor) -> Tensor:
        """Return y as a function of the parameters, for any W and b such as recorded ones.

        Shapes: x ([instances,] batch, n), W ([instances,] m, n), b ([instances,] n) -> ([instances,] batch, n).
        """
        preactivation = (x @ W.mT) @ W + b[..., None, :]
        if self.linear_members is not None:
            return torch.where(self.linear_members, preactivation, preactivation.relu())
        return preactivation if self.is_linear else preactivation.relu()


def instance_seed(*key: int) -> int:
    """Return a seed for the stream that *key* names, such as (seed, instance); different keys give unrelated ones."""
    return int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> 1)


def _normal(shape: tuple[int, int], seed: int, member: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(instance_seed(seed, member)))
