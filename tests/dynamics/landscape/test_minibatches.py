"""Coefficients on minibatches: a regression, whose coefficient is half its weights, and a point that is no minimum."""

import pytest
import torch
from torch import nn

from dyn.dynamics.errors import SettingError
from dyn.dynamics.landscape.minibatches import BatchedLoss, estimate_on_batches

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def regression():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1024, 10, generator=generator)
    y = x @ torch.randn(10, generator=generator) + 0.5 * torch.randn(1024, generator=generator)
    batches = [(x[k : k + 128], y[k : k + 128]) for k in range(0, 1024, 128)]
    loss = BatchedLoss(
        nn.Linear(10, 1, bias=False), lambda model, batch: (model(batch[0])[:, 0] - batch[1]) ** 2, batches
    )
    return loss, torch.linalg.lstsq(x, y[:, None]).solution.T.numpy()


@pytest.mark.slow
def test_a_regular_minimum_has_half_its_parameters(regression):
    loss, best = regression
    found = estimate_on_batches(loss, {"weight": best}, seed=3)
    assert found.verdict == "ok"
    # The step adds up to a tenth, and four chains have an error of about 0.2.
    assert found.llc == pytest.approx(5, rel=0.15)


@pytest.mark.slow
def test_a_slope_has_no_number(regression):
    loss, best = regression
    found = estimate_on_batches(loss, {"weight": best + 0.5})
    assert found.llc is None
    assert found.verdict != "ok"


def test_a_parameter_that_is_missing_is_named(regression):
    loss, _ = regression
    with pytest.raises(SettingError, match="weight"):
        estimate_on_batches(loss, {})
