"""The exact loss of many models against the loss of one, its gradient against autograd's."""

import pytest
import torch

from dyn.dynamics.landscape import one_hot_loss
from dyn.dynamics.landscape.batch_losses import OneHotLoss

WEIGHTS, SILENT = (1.0, 0.5, 0.25), 0.3


def by_autograd(theta):
    theta = theta.clone().requires_grad_()
    W, b = theta[:, :6].unflatten(1, (2, 3)), theta[:, 6:]
    weights = torch.tensor(WEIGHTS, dtype=torch.float64)
    loss = (1 - SILENT) * one_hot_loss(W, b, weights) + SILENT * (b.relu().square() @ weights)
    (slope,) = torch.autograd.grad(loss.sum(), theta)
    return loss.detach(), slope


@pytest.mark.parametrize("size", [1.0, 0.0], ids=["at random", "no feature represented"])
def test_the_gradient_that_is_written_out_is_that_of_the_loss(size):
    theta = torch.randn(40, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    theta[:, :6] *= size
    for found, expected in zip(
        OneHotLoss(2, 3, WEIGHTS, SILENT).value_and_slope(theta), by_autograd(theta), strict=True
    ):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-13)  # rounding of some fifty terms
