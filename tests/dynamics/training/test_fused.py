"""The fused step: gradients and losses are autograd's, draws have the experiment's distribution, points share them."""

import numpy as np
import pytest
import torch

from dyn.dynamics.errors import SettingError
from dyn.dynamics.training.fused import FusedGradient, FusedTraining, is_fusible
from dyn.dynamics.training.loop import Training, weighted_loss
from dyn.dynamics.training.models import ToyModel

LINEAR, MIXED = "linear", ("linear", "relu", "relu")
# One number for each feature, or a row of them for each of three instances.
VECTOR = torch.tensor([1.0, 0.5, 2.0, 0.1])
MATRIX = torch.tensor([[1.0, 0.5, 2.0, 0.1], [0.3, 0.0, 1.0, 7.0], [1.0, 1.0, 1.0, 1.0]])


def gradients(model: ToyModel) -> list[torch.Tensor]:
    return [p.grad.clone() for p in model.parameters() if p.grad is not None]


def compare(n: int, m: int, weights: torch.Tensor, nonlinearity, instances: int) -> None:
    """Hold one fused gradient and loss to those of autograd."""
    model = ToyModel(n, m, n_instances=instances, nonlinearity=nonlinearity, init_std=0.5, seed=3)
    generator = torch.Generator().manual_seed(0)
    model.b.data.normal_(std=0.3, generator=generator)
    x = torch.rand(instances, 32, n, generator=generator) * (torch.rand(instances, 32, n, generator=generator) < 0.5)
    expected = weighted_loss(x, model(x), weights)
    expected.sum().backward()
    slow = gradients(model)
    fused = FusedGradient(model, weights, 32)
    # Twice, so that nothing is left in the arrays from the step before.
    for _ in range(2):
        loss = fused(x)
        # Sums of 32 by n numbers of single precision in another order, beside the largest of them.
        torch.testing.assert_close(loss, expected.detach(), rtol=2e-6, atol=0)
        for found, right in zip(gradients(model), slow, strict=True):
            torch.testing.assert_close(found, right, rtol=0, atol=2e-6 * float(right.abs().max()))


@pytest.mark.parametrize("weights", [VECTOR, MATRIX], ids=["vector", "matrix"])
@pytest.mark.parametrize("nonlinearity", ["relu", LINEAR, MIXED], ids=str)
def test_gradients_are_those_of_autograd(weights, nonlinearity):
    compare(4, 2, weights, nonlinearity, 3)


@pytest.mark.parametrize("nonlinearity", ["relu", LINEAR])
def test_so_they_are_for_one_instance(nonlinearity):
    compare(4, 2, VECTOR, nonlinearity, 1)


@pytest.mark.parametrize("nonlinearity", ["relu", LINEAR, MIXED], ids=str)
def test_so_they_are_of_many_features(nonlinearity):
    """Which go through m dimensions instead of n by n products."""
    rows = torch.rand(3, 50, generator=torch.Generator().manual_seed(1))
    compare(50, 5, rows, nonlinearity, 3)


@pytest.mark.parametrize(
    "changes",
    [
        {"n_instances": 3},
        {"repeat": 2, "density": (0.9, 0.2), "importance_extra": (0.5, 1.0, 2.0)},
        {"repeat": 2, "nonlinearity": ("linear", "relu"), "reduction": "mean"},
        {"repeat": 2, "optimizer": "adamw", "weight_decay": 0.01},
        {"repeat": 2, "optimizer": "sgd", "schedule": "cosine"},
    ],
    ids=str,
)
def test_a_training_is_that_by_autograd_on_the_same_samples(tiny, changes):
    experiment = tiny.with_settings(**changes)
    fused, usual, samples = FusedTraining(experiment), Training(experiment), FusedTraining(experiment)
    usual.sample = samples.sample
    for loss, expected in zip(fused, usual, strict=True):
        # Twelve steps of a small rate do not blow up what rounding makes of each: 1e-7, or a little more.
        torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-7)
    for found, right in zip(fused.model.parameters(), usual.model.parameters(), strict=True):
        # A gradient of nearly nothing is divided by its own size by Adam: a thousandth of the way, 12 steps of 1e-3.
        torch.testing.assert_close(found, right, rtol=0, atol=1e-5)


def test_the_seed_decides_the_whole_run(tiny):
    def end(seed: int) -> torch.Tensor:
        training = FusedTraining(tiny.with_settings(repeat=2, density=(0.9, 0.2), seed=seed))
        list(training)
        return training.model.get_parameter("W").detach()

    assert torch.equal(end(0), end(0))
    assert not (end(0) == end(1)).any()


def test_models_of_one_point_are_given_samples_of_their_own(tiny):
    x = FusedTraining(tiny.with_settings(repeat=2, density=(1.0, 1.0))).sample().numpy()
    first, second = x.reshape(2, 2, 16, 4)
    np.testing.assert_array_equal(first, second)
    assert not (first[0] == first[1]).any()


@pytest.mark.parametrize("changes", [{}, {"n_instances": 2, "model": "absolute-value"}], ids=str)
def test_others_are_refused(tiny, changes):
    experiment = tiny.with_settings(**changes)
    assert not is_fusible(experiment)
    with pytest.raises(SettingError, match="use Training"):
        FusedTraining(experiment)
