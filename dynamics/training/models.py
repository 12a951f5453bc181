"""The models of the paper: n sparse features go through m < n dimensions, or are computed with by m neurons."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

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

    feature_axes: ClassVar[Mapping[str, str]] = {"W": "columns"}

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
        self.W = initial_weight((n_hidden, n_features), n_instances, init_std, seed)
        self.b = nn.Parameter(torch.zeros(*self.W.shape[:-2], n_features))
        names = {nonlinearity} if isinstance(nonlinearity, str) else set(nonlinearity)
        self.is_linear = names == {"linear"}
        self.linear_members: Tensor | None
        mask = torch.tensor([name == "linear" for name in nonlinearity])[:, None, None] if len(names) > 1 else None
        self.register_buffer("linear_members", mask, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Reconstruct x; shapes ([instances,] batch, n) -> the same."""
        return self.output(x, self.W, self.b)

    def target(self, x: Tensor) -> Tensor:
        """Return what y should be: x itself."""
        return x

    def output(self, x: Tensor, W: Tensor, b: Tensor) -> Tensor:
        """Return y as a function of the parameters, for any W and b such as recorded ones.

        Shapes: x ([instances,] batch, n), W ([instances,] m, n), b ([instances,] n) -> ([instances,] batch, n).
        """
        preactivation = (x @ W.mT) @ W + b[..., None, :]
        if self.linear_members is not None:
            return torch.where(self.linear_members, preactivation, preactivation.relu())
        return preactivation if self.is_linear else preactivation.relu()


class AbsoluteValueModel(nn.Module):
    """The model y = ReLU(W2 h + b) with the neurons h = ReLU(W1 x), which has to compute |x| of signed features.

    W1 has shape ([instances,] m, n), W2 ([instances,] n, m), b ([instances,] n); W1 and W2 are not tied. Instances and
    first values are as in the ToyModel. A feature is a column of W1 and a row of W2.

    Source: Toy Models of Superposition, "Computation in Superposition".
    """

    feature_axes: ClassVar[Mapping[str, str]] = {"W1": "columns", "W2": "rows"}

    def __init__(
        self,
        n_features: int,
        n_hidden: int,
        *,
        n_instances: int | None = None,
        init_std: float | None = None,
        seed: int = 0,
    ):
        super().__init__()
        self.n_instances = n_instances
        self.W1 = initial_weight((n_hidden, n_features), n_instances, init_std, seed)
        self.W2 = initial_weight((n_features, n_hidden), n_instances, init_std, seed, stream=(1,))
        self.b = nn.Parameter(torch.zeros(*self.W2.shape[:-1]))

    def forward(self, x: Tensor) -> Tensor:
        """Answer x; shapes ([instances,] batch, n) -> the same."""
        return self.output(x, self.W1, self.W2, self.b)

    def target(self, x: Tensor) -> Tensor:
        """Return what y should be, |x|."""
        return x.abs()

    def output(self, x: Tensor, W1: Tensor, W2: Tensor, b: Tensor) -> Tensor:
        """Return y as a function of the parameters, for any of them such as recorded ones."""
        return ((x @ W1.mT).relu() @ W2.mT + b[..., None, :]).relu()


def instance_seed(*key: int) -> int:
    """Return a seed for the stream that *key* names, such as (seed, instance); different keys give unrelated ones."""
    return int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> 1)


def initial_weight(
    shape: tuple[int, int], n_instances: int | None, init_std: float | None, seed: int, *, stream: tuple[int, ...] = ()
) -> nn.Parameter:
    """Return a weight of shape ([instances,] *shape) with independent entries N(0, init_std²).

    None stands for Xavier's std, sqrt(2 / (rows + columns)) of a single model. Each member's values come from the
    stream (seed, member, *stream), whatever the number of members.
    """
    std = (2 / sum(shape)) ** 0.5 if init_std is None else init_std
    seeds = [instance_seed(seed, member, *stream) for member in range(n_instances or 1)]
    members = [std * torch.randn(shape, generator=torch.Generator().manual_seed(each)) for each in seeds]
    return nn.Parameter(torch.stack(members) if n_instances else members[0])
