"""The gradient of the population loss at many rows of parameters, on the samples that the loss is estimated on."""

from collections.abc import Callable, Mapping
from typing import cast

import numpy as np
import torch
from torch import Tensor

from .evaluation import PopulationLoss
from .fused import FusedGradient
from .models import ToyModel


class PopulationGradient:
    """∂E[L]/∂θ of one model, of the loss as PopulationLoss estimates it; called with rows of its parameters.

    Of the toy model it is written out (FusedGradient), of others it is autograd's.
    Shapes: {name: (P, *shape)} -> the same, float64. Raises ValueError for the loss of an ensemble.
    """

    def __init__(self, population: PopulationLoss):
        if population.model.n_instances is not None:
            raise ValueError("the population loss is that of an ensemble; give PopulationLoss(experiment, member=k)")
        self._names = population.names
        is_toy = isinstance(population.model, ToyModel)
        self._at: Callable[[list[Tensor]], list[Tensor]]
        self._at = _WrittenOut(population) if is_toy else _ByAutograd(population)

    def __call__(self, parameters: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the gradient at each row."""
        rows = zip(*(torch.from_numpy(parameters[name]).float() for name in self._names), strict=True)
        gradients = [self._at(list(row)) for row in rows]
        return {
            name: torch.stack(each).double().numpy()
            for name, each in zip(self._names, zip(*gradients, strict=True), strict=True)
        }


class _ByAutograd:
    def __init__(self, population: PopulationLoss):
        self._population = population

    def __call__(self, row: list[Tensor]) -> list[Tensor]:
        row = [each.requires_grad_() for each in row]
        return list(torch.autograd.grad(self._population.at(row), row))


class _WrittenOut:
    """The fused gradient, part by part, of an ensemble of one."""

    def __init__(self, population: PopulationLoss):
        toy = cast("ToyModel", population.model)
        m, n = toy.W.shape
        linear = "linear" if toy.is_linear else "relu"
        self._model = ToyModel(n, m, n_instances=1, nonlinearity=linear)
        self._parts = [
            (share, x[None], FusedGradient(self._model, population.weights, len(x))) for share, x in population.parts
        ]

    def __call__(self, row: list[Tensor]) -> list[Tensor]:
        W, b = row
        self._model.W.data[0], self._model.b.data[0] = W, b
        dW, db = torch.zeros_like(W), torch.zeros_like(b)
        for share, x, gradient in self._parts:
            gradient(x)
            dW += share * gradient.dW[0]
            db += share * gradient.db[0]
        return [dW, db]
