"""Training an ensemble of toy models on samples by a fused step: shared random draws, and no autograd.

A step of the usual training spends a fifth of its time on random numbers and most of the rest in autograd. Here the
points of an ensemble share their random numbers, and loss and gradient are written out, in arrays that are made once.
With the batch x (batch, n), the gradient of the loss L = mean Σ_i I_i (y_i - x_i)² is

    y = f(x W^T W + b),  r_i = (y_i - x_i) f'(y_i) 2 I_i / batch,  dL/db = Σ r,
    dL/dW = (x W^T)^T r + (r W^T)^T x = W (G + G^T)  with  G = r^T x,

the sum being over the batch. Which form of dL/dW is cheaper depends on n.

Source: Toy Models of Superposition, "Experiment Setup".
"""

from typing import cast

import torch
from torch import Tensor

from ..errors import SettingError
from ..experiments.experiment import Experiment
from .loop import Training, build_features
from .models import ToyModel

# Up to so many features the products W^T W and r^T x, n by n, cost less than the way through m dimensions.
_MOST_FOR_PRODUCTS = 32


def is_fusible(experiment: Experiment) -> bool:
    """Return whether there is a fused step for an experiment: it is an ensemble of toy models."""
    return experiment.model == "toy" and experiment.n_instances is not None


class FusedTraining(Training):
    """A Training by the fused step, whose points share their random draws.

    On the same samples its losses and gradients are those of Training, to rounding. The samples of each model have the
    experiment's distribution; those of the models of one point are independent, and the k-th models of all points are
    given the same random numbers. Raises SettingError where is_fusible() is false.
    """

    def __init__(self, experiment: Experiment):
        if not is_fusible(experiment):
            raise SettingError(
                f"{experiment.name!r} with model={experiment.model}, n_instances={experiment.n_instances} has no fused "
                "step: it takes an ensemble of toy models; use Training"
            )
        super().__init__(experiment)
        rows, columns, _ = experiment.grid
        repeat = (experiment.n_instances or 1) // (rows * columns)
        self._shape = (rows * columns, repeat, experiment.batch_size)
        self._features = build_features(experiment)
        weights = torch.tensor(experiment.loss_weights(), device=experiment.device)
        self._gradient = FusedGradient(cast("ToyModel", self.model), weights, experiment.batch_size)

    def sample(self) -> Tensor:
        """Draw one minibatch, from random numbers that all points share; shape (instances, batch, n)."""
        return self._features.sample_shared(self._shape, self.generator)

    def _differentiate(self, x: Tensor) -> Tensor:
        return self._gradient(x)

    def _optimizer_options(self) -> dict[str, bool]:
        # On a CPU torch's own choice is a loop of some ten passes over the parameters.
        return {"fused": True} if torch.device(self.experiment.device).type == "cpu" else {}


class FusedGradient:
    """The weighted squared error of an ensemble of toy models on batches of one size, and its gradient.

    weights are what each squared error counts, (n,) or (instances, n).
    """

    def __init__(self, model: ToyModel, weights: Tensor, batch_size: int):
        self._W, self._b = model.W.detach(), model.b.detach()
        model.W.grad, model.b.grad = torch.empty_like(self._W), torch.empty_like(self._b)
        # The gradient of the last batch.
        self.dW, self.db = model.W.grad, model.b.grad
        instances, m, n = self._W.shape
        self._weights = weights.expand(instances, n)
        # The weights are put into the small arrays instead of r.
        self._scale = (2 / batch_size) * self._weights[:, :, None]
        self._floor = _floor(model)
        self._through_product = n <= _MOST_FOR_PRODUCTS
        self._h = self._W.new_empty(instances, batch_size, m)
        self._y = self._W.new_empty(instances, batch_size, n)
        self._r = torch.empty_like(self._y)

    def __call__(self, x: Tensor) -> Tensor:
        """Put the gradient at x, (instances, batch, n), into the model's parameters; return each loss, (instances,)."""
        y, r = self._forward(x), self._r
        torch.sub(y, x, out=r)
        loss = (r.square().sum(1) * self._weights).sum(1) / x.shape[1]
        # y becomes f'(y), of numbers 0 and 1.
        r.mul_(y.gt_(self._floor))
        torch.mul(r.sum(1), self._scale[:, :, 0], out=self.db)
        if self._through_product:
            G = torch.bmm(r.mT, x).mul_(self._scale)
            torch.bmm(self._W, G + G.mT, out=self.dW)
        else:
            torch.bmm(self._h.mT, r, out=self.dW).mul_(self._scale.mT)
            torch.bmm(r, self._scale * self._W.mT, out=self._h)
            self.dW.baddbmm_(self._h.mT, x)
        return loss

    def _forward(self, x: Tensor) -> Tensor:
        b = self._b[:, None, :]
        if self._through_product:
            torch.baddbmm(b, x, torch.bmm(self._W.mT, self._W), out=self._y)
        else:
            torch.bmm(x, self._W.mT, out=self._h)
            torch.baddbmm(b, self._h, self._W, out=self._y)
        return self._y.clamp_(min=self._floor)


def _floor(model: ToyModel) -> Tensor | float:
    """Return what an output cannot fall below: 0, of linear models -inf; (instances, 1, 1) where they differ."""
    if model.linear_members is None:
        return -torch.inf if model.is_linear else 0.0
    return torch.where(model.linear_members, -torch.inf, 0.0)
