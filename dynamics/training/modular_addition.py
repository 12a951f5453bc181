"""Modular addition, a + b mod p, by a small network: all pairs a ≤ b, those that are trained on, and the others."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ..experiments.experiment import Experiment
from .models import initial_weight, instance_seed

_SPLIT_STREAM = 2**31 + 3


class ModularAddition(nn.Module):
    """The network logits(a, b) = U ReLU(V (E_a + E_b)).

    E, shape ([instances,] m, p), has the embedding of each number as a column; V has shape ([instances,] 2m, m), a
    neuron each row, and U ([instances,] p, 2m). First values are as in the ToyModel.

    Source: Nanda et al. 2023, "Progress measures for grokking via mechanistic interpretability", arXiv 2301.05217, here
    with the sum of the embeddings where the paper has attention.
    """

    feature_axes: ClassVar[Mapping[str, str]] = {"E": "columns", "U": "rows"}

    def __init__(
        self,
        modulus: int,
        n_hidden: int,
        *,
        n_instances: int | None = None,
        init_std: float | None = None,
        seed: int = 0,
    ):
        super().__init__()
        self.n_instances = n_instances
        neurons = 2 * n_hidden
        self.E = initial_weight((n_hidden, modulus), n_instances, init_std, seed)
        self.V = initial_weight((neurons, n_hidden), n_instances, init_std, seed, stream=(2,))
        self.U = initial_weight((modulus, neurons), n_instances, init_std, seed, stream=(1,))

    def forward(self, pairs: Tensor) -> Tensor:
        """Return the logits of every sum; shapes ([instances,] 2, batch) -> ([instances,] p, batch)."""
        return self.output(pairs, self.E, self.V, self.U)

    @staticmethod
    def output(pairs: Tensor, E: Tensor, V: Tensor, U: Tensor) -> Tensor:
        """Return the logits as a function of the parameters, for any of them such as recorded ones."""
        # A product with how often each number occurs in each pair is faster than picking columns, backwards too.
        occurs = torch.zeros(*E.shape[:-2], E.shape[-1], pairs.shape[-1])
        occurs = occurs.to(E).scatter_add_(-2, pairs, torch.ones_like(pairs, dtype=E.dtype))
        return U @ (V @ (E @ occurs)).relu()


class AdditionTable:
    """The p (p + 1) / 2 pairs a ≤ b, each member's in an order of its own: the first of them are trained on.

    A pair (b, a) is no other one than (a, b): the network cannot tell them apart, so that with both, what is trained on
    would answer the test. The loss is the cross-entropy of the sum a + b mod p, in nats.
    """

    def __init__(self, experiment: Experiment):
        self.modulus = experiment.n_features
        self.trained_on = experiment.batch_size
        table = torch.combinations(torch.arange(self.modulus), with_replacement=True).mT
        seeds = [instance_seed(experiment.seed, member, _SPLIT_STREAM) for member in range(experiment.n_instances or 1)]
        orders = [torch.randperm(table.shape[1], generator=torch.Generator().manual_seed(each)) for each in seeds]
        members = torch.stack([table[:, order] for order in orders]).to(experiment.device)
        self.pairs = members if experiment.n_instances else members[0]

    def sample(self, _: torch.Generator) -> Tensor:
        """Return the pairs that are trained on, the same at every step; shape ([instances,] 2, batch)."""
        return self.pairs[..., : self.trained_on]

    def loss(self, model: nn.Module, pairs: Tensor) -> Tensor:
        """Return the mean loss over the pairs; shape () or (instances,)."""
        return self.losses(model(pairs), pairs).mean(-1)

    def losses(self, logits: Tensor, pairs: Tensor) -> Tensor:
        """Return the loss of each pair; shapes ([instances,] p, batch), ([instances,] 2, batch) -> (..., batch)."""
        answer = (pairs.sum(-2) % self.modulus)[..., None, :]
        return -logits.log_softmax(-2).gather(-2, answer)[..., 0, :]


class AdditionEvaluation:
    """What is known of recorded parameters from all pairs.

    expected_loss is the mean loss over all of them, exact; train_accuracy is the share of right answers among the pairs
    that are trained on, test_loss and test_accuracy are of the others; weight_norm is the length of all parameters.
    """

    measures = ("expected_loss", "train_accuracy", "test_loss", "test_accuracy", "weight_norm")
    numbers = len(measures)
    description = "exact, all pairs"

    def __init__(self, experiment: Experiment):
        self._table = AdditionTable(experiment.with_settings(device="cpu"))

    def __call__(self, parameters: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return each measure of each row; E (T, [instances,] m, p) -> (T, [instances]), float64."""
        rows = zip(*(torch.from_numpy(parameters[name]) for name in ("E", "V", "U")), strict=True)
        with torch.inference_mode():
            found = [self._measure(*row) for row in rows]
        return {
            name: torch.stack(values).double().numpy()
            for name, values in zip(self.measures, zip(*found, strict=True), strict=True)
        }

    def _measure(self, *weights: Tensor) -> tuple[Tensor, ...]:
        pairs, trained_on = self._table.pairs, self._table.trained_on
        logits = ModularAddition.output(pairs, *weights)
        losses = self._table.losses(logits, pairs)
        right = (logits.argmax(-2) == pairs.sum(-2) % self._table.modulus).float()
        squares = torch.stack([each.double().square().sum((-2, -1)) for each in weights])
        return (
            losses.mean(-1),
            right[..., :trained_on].mean(-1),
            losses[..., trained_on:].mean(-1),
            right[..., trained_on:].mean(-1),
            squares.sum(0).sqrt(),
        )
