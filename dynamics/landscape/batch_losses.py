"""The population loss of a toy model for many models at once, each a row of numbers: W, then b."""

import torch
from torch import Tensor

from ..experiments.experiment import Experiment
from ..training.evaluation import PopulationLoss
from ..training.loop import build_features
from .derivatives import Loss
from .hamiltonian import BatchLoss
from .surfaces import one_hot_loss

# So many samples stand for the population where the loss has no closed form.
_SAMPLES = 2048


def is_one_hot(toy: Experiment) -> bool:
    """Return whether at most one feature is on at a time, so that the loss is exact."""
    return toy.correlation == "anticorrelated" and toy.sets == 1 and toy.nonlinearity == "relu"


def population_loss_of(toy: Experiment) -> BatchLoss:
    """Return the loss of a toy model alone as a function (models, m n + n) -> (models,).

    Where at most one feature is on, it is exact, p L_1 + (1 - p) Σ_i w_i ReLU(b_i)²; else the mean over one fixed set
    of samples, spread evenly, which has the same symmetries of hidden space, but none between features.
    """
    m, n = toy.n_hidden, toy.n_features

    def parts(theta: Tensor) -> tuple[Tensor, Tensor]:
        return theta[:, : m * n].unflatten(1, (m, n)), theta[:, m * n :]

    if is_one_hot(toy):
        weights, silent = torch.tensor(toy.loss_weights(), dtype=torch.float64), _silence(toy)

        def exact(theta: Tensor) -> Tensor:
            W, b = parts(theta)
            loss = (1 - silent) * one_hot_loss(W, b, weights)
            return loss + silent * (b.relu().square() @ weights) if silent else loss

        return exact
    population = PopulationLoss(toy.with_settings(evaluation_size=min(toy.evaluation_size, _SAMPLES)))
    return lambda theta: population.at(parts(theta))


def of_one(loss: BatchLoss) -> Loss:
    """Return a loss of many models as one of the W and b of one."""
    return lambda *arrays: loss(torch.cat([each.reshape(-1) for each in arrays])[None])[0]


def _silence(toy: Experiment) -> float:
    """Return the probability that no feature is on, with the density as it was set: not rounded to 32 bits."""
    density = build_features(toy).density
    return 1 - float(density) if isinstance(density, int | float) else 0.0
