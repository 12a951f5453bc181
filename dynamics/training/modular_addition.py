"""Modular addition, a + b mod p, with a small network: all of the pairs, those that are trained on, and the others."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ..experiments.experiment import Experiment
from .models import initial_weight, instance_seed

_SPLIT_STREAM = 2**31 + 3


class ModularAddition(nn.Module):
    """The network logits(a, b) = U (E_a + E_b)², the square taken of each neuron.

    E, shape ([instances,] m, p), has the embedding of each number as a column; U has shape ([instances,] p, m). First
    values are as in the ToyModel.

    Source: Gromov 2023, "Grokking modular arithmetic", arXiv 2301.02679, here with one embedding for both numbers.
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
        self.E = initial_weight((n_hidden, modulus), n_instances, init_std, seed)
        self.U = initial_weight((modulus, n_hidden), n_instances, init_std, seed, stream=(1,))

    def forward(self, pairs: Tensor) -> Tensor:
        """Return the logits of every sum; shapes ([instances,] 2, batch) -> ([instances,] p, batch)."""
        return self.output(pairs, self.E, self.U)

    def output(self, pairs: Tensor, E: Tensor, U: Tensor) -> Tensor:
        """Return the logits as a function of the parameters, for any of them such as recorded ones."""
        a, b = (numbers[..., None, :].expand(*E.shape[:-1], -1) for numbers in pairs.unbind(-2))
        return U @ (E.gather(-1, a) + E.gather(-1, b)).square()


class AdditionTable:
    """The p² pairs (a, b), each member's in an order of its own: the first of them are trained on.

    Its loss is the cross-entropy of the sum a + b mod p, in nats.
    """

    def __init__(self, experiment: Experiment):
        self.modulus = experiment.n_features
        self.trained_on = experiment.batch_size
        numbers = torch.arange(self.modulus)
        table = torch.cartesian_prod(numbers, numbers).mT
        seeds = [instance_seed(experiment.seed, member, _SPLIT_STREAM) for member in range(experiment.n_instances or 1)]
        orders = [torch.randperm(self.modulus**2, generator=torch.Generator().manual_seed(each)) for each in seeds]
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
    """What is known of recorded parameters from all p² pairs.

    expected_loss is the mean loss over all of them, exact; test_loss and test_accuracy are those of the pairs that are
    not trained on.
    """

    measures = ("expected_loss", "test_loss", "test_accuracy")
    description = "exact, all pairs"

    def __init__(self, experiment: Experiment):
        self._table = AdditionTable(experiment.with_settings(device="cpu"))
        self._model = ModularAddition(experiment.n_features, 1)

    def __call__(self, parameters: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return each measure of each row; E (T, [instances,] m, p) -> (T, [instances]), float64."""
        rows = zip(torch.from_numpy(parameters["E"]), torch.from_numpy(parameters["U"]), strict=True)
        with torch.inference_mode():
            found = [self._measure(E, U) for E, U in rows]
        return {
            name: torch.stack(values).double().numpy()
            for name, values in zip(self.measures, zip(*found, strict=True), strict=True)
        }

    def _measure(self, E: Tensor, U: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        pairs, test = self._table.pairs, slice(self._table.trained_on, None)
        logits = self._model.output(pairs, E, U)
        losses = self._table.losses(logits, pairs)
        right = logits.argmax(-2) == pairs.sum(-2) % self._table.modulus
        return losses.mean(-1), losses[..., test].mean(-1), right[..., test].float().mean(-1)
