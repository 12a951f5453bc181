"""The population loss of a toy model for many models at once, each a row of numbers: W, then b."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ..experiments.experiment import Experiment
from ..training.evaluation import PopulationLoss
from ..training.loop import build_features
from .derivatives import Loss
from .hamiltonian import BatchLoss
from .kinks import integrated_error_and_slopes

# So many samples stand for the population where the loss has no closed form.
_SAMPLES = 2048


def is_one_hot(toy: Experiment) -> bool:
    """Return whether at most one feature is on at a time, so that the loss is exact."""
    return toy.correlation == "anticorrelated" and toy.sets == 1 and toy.nonlinearity == "relu"


class OneHotLoss:
    """The exact loss where at most one feature is on, of many models at once, with its gradient written out.

    L = (1 - p) L_1 + p Σ_i w_i ReLU(b_i)², L_1 that of one_hot_loss() with the importances w, p the probability that no
    feature is on. Shapes: theta (models, m n + n) -> (models,).
    """

    def __init__(self, n_hidden: int, n_features: int, weights: Sequence[float] | float = 1.0, silent: float = 0.0):
        self._m, self._n, self._silent = n_hidden, n_features, silent
        self._weights = torch.as_tensor(weights, dtype=torch.float64).expand(n_features)
        self._self = torch.eye(n_features, dtype=torch.float64)

    def __call__(self, theta: Tensor) -> Tensor:
        """Return the loss (models,)."""
        return self.value_and_slope(theta)[0]

    def value_and_slope(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss (models,) and its gradient (models, m n + n)."""
        W, b = theta[:, : self._m * self._n].unflatten(1, (self._m, self._n)), theta[:, self._m * self._n :]
        overlaps = W.mT @ W
        each, by_overlap, by_bias = integrated_error_and_slopes(overlaps, b[:, None].expand_as(overlaps), self._self)
        share = (1 - self._silent) * self._weights / self._n
        by_overlap = by_overlap * share
        by_W, by_b = W @ (by_overlap + by_overlap.mT), by_bias.sum(1) * share
        value = each.sum(1) @ share
        if self._silent:
            on = b.relu()
            value = value + self._silent * (on.square() @ self._weights)
            by_b = by_b + 2 * self._silent * on * self._weights
        return value, torch.cat([by_W.flatten(1), by_b], dim=1)


def population_loss_of(toy: Experiment) -> BatchLoss:
    """Return the loss of a toy model alone as a function (models, m n + n) -> (models,).

    Where at most one feature is on, it is exact, a OneHotLoss; else the mean over one fixed set of samples, spread
    evenly, which has the same symmetries of hidden space, but none between features.
    """
    m, n = toy.n_hidden, toy.n_features
    if is_one_hot(toy):
        # sets is 1, so that there is one row of weights.
        weights = np.broadcast_to(np.ravel(toy.loss_weights()), n).tolist()
        return OneHotLoss(m, n, weights, _silence(toy))
    population = PopulationLoss(toy.with_settings(evaluation_size=min(toy.evaluation_size, _SAMPLES)))
    return lambda theta: population.at((theta[:, : m * n].unflatten(1, (m, n)), theta[:, m * n :]))


def of_one(loss: BatchLoss) -> Loss:
    """Return a loss of many models as one of the W and b of one."""
    return lambda *arrays: loss(torch.cat([each.reshape(-1) for each in arrays])[None])[0]


def _silence(toy: Experiment) -> float:
    """Return the probability that no feature is on, with the density as it was set: not rounded to 32 bits."""
    density = build_features(toy).density
    return 1 - float(density) if isinstance(density, int | float) else 0.0
