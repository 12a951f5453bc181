"""What each step brought, to first order: under plain SGD, whose motion is -lr g, it is -|Δθ|² / lr, however g came."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import dyn
from dyn.dynamics.errors import SettingError
from dyn.recorders.model.payments import Payment
from dyn.recorders.step.state import HotPath, PythonHotPath
from dyn.recorders.stories.attribution import attribute

LR = 0.1


def shares_of(path: Path) -> dict[str, np.ndarray]:
    with dyn.open(path) as recording:
        found = {name: group["allocation"][:] for name, group in recording.features.items()}
        return found | {name.removeprefix("allocation/"): series[:] for name, series in recording.probes.items()}


def motions(path: Path, name: str) -> np.ndarray:
    with dyn.open(path) as recording:
        return np.diff(recording.parameters[name][:].astype(np.float64), axis=0)


def assert_are_those_of_sgd(path: Path, lr: float = LR) -> None:
    found = shares_of(path)
    weights = -(motions(path, "weight") ** 2).sum(1) / lr
    biases = -(motions(path, "bias") ** 2).sum(1) / lr
    # The motion of a number in single precision is known to a rounding of the number.
    np.testing.assert_allclose(found["weight"][:-1], weights, rtol=1e-3, atol=1e-7)
    np.testing.assert_allclose(found["bias"][:-1], biases, rtol=1e-3, atol=1e-7)
    assert np.abs(weights).max() > 1e-3
    assert not found["weight"][-1].any()


@pytest.mark.usefixtures("way")
def test_shares_are_gradient_times_motion(path, regression):
    with dyn.attach(regression.model, regression.optimizer, path, gradients="allocation") as recorder:
        regression.train(30, recorder)
    assert_are_those_of_sgd(path)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("features", ["rows", "columns", "o i -> i o", None])
def test_each_feature_has_its_own_number(path, make_regression, features):
    run = make_regression(torch.optim.Adam)
    options = {"features": {"weight": features}, "gradients": "allocation"}
    gradients = []
    with dyn.attach(run.model, run.optimizer, path, **options) as recorder:
        run.optimizer.register_step_pre_hook(lambda *_: gradients.append(run.model.weight.grad.numpy().copy()))
        run.train(5, recorder)
    shares = np.stack(gradients) * motions(path, "weight")
    expected = {"rows": shares.sum(2), "columns": shares.sum(1), "o i -> i o": shares.sum(2), None: shares.sum((1, 2))}
    np.testing.assert_allclose(shares_of(path)["weight"][:-1], expected[features], rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_other_precisions(path, dtype):
    model = nn.Linear(3, 4).to(dtype)
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)
    with dyn.attach(model, optimizer, path, gradients="allocation"):
        for _ in range(3):
            for p in model.parameters():
                p.grad = torch.full_like(p, 0.5)
            optimizer.step()
    found = shares_of(path)["weight"]
    np.testing.assert_allclose(found[:-1], 0.5 * motions(path, "weight").sum(1), rtol=1e-3)


@pytest.mark.usefixtures("way")
def test_a_gradient_that_lies_otherwise_in_memory_counts_the_same(path, regression):
    with dyn.attach(regression.model, regression.optimizer, path, gradients="allocation") as recorder:
        for _ in range(4):
            loss = regression.loss(regression.model.weight, regression.model.bias)
            loss.backward()
            recorder.log(loss=loss.detach())
            weight = regression.model.weight
            weight.grad = weight.grad.T.contiguous().T
            regression.optimizer.step()
            regression.optimizer.zero_grad()
    assert_are_those_of_sgd(path)


@pytest.mark.usefixtures("way")
def test_what_has_no_gradient_brings_nothing(path, regression):
    regression.model.bias.grad = None
    with dyn.attach(regression.model, regression.optimizer, path, gradients="allocation"):
        for _ in range(3):
            regression.model.weight.grad = torch.ones_like(regression.model.weight)
            regression.optimizer.step()
    found = shares_of(path)
    assert not found["bias"].any()
    np.testing.assert_allclose(found["weight"][:-1], -LR * 4, rtol=1e-4)


@pytest.mark.usefixtures("way")
def test_what_did_not_move_brings_nothing_even_where_its_gradient_is_infinite(path, regression):
    with dyn.attach(regression.model, regression.optimizer, path, gradients="allocation"):
        regression.optimizer.param_groups[0]["lr"] = 0.0
        for p in regression.model.parameters():
            p.grad = torch.full_like(p, 1e30)
        regression.optimizer.step()
    assert not shares_of(path)["weight"].any()


@pytest.mark.parametrize("fused", [False, True])
def test_gradients_that_were_scaled_are_those_that_the_step_used(path, make_regression, fused):
    run = make_regression(torch.optim.SGD, fused=fused)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    with dyn.attach(run.model, run.optimizer, path, gradients="allocation") as recorder:
        for _ in range(10):
            run.optimizer.zero_grad()
            loss = run.loss(run.model.weight, run.model.bias)
            scaler.scale(loss).backward()
            recorder.log(loss=loss.detach())
            scaler.step(run.optimizer)
            scaler.update()
    assert_are_those_of_sgd(path)


def test_gradients_that_come_within_the_step_are_not_stale(path, regression):
    """As Lightning hands its backward pass to the step, clipping included."""

    def closure() -> torch.Tensor:
        regression.optimizer.zero_grad()
        loss = regression.loss(regression.model.weight, regression.model.bias)
        loss.backward()
        nn.utils.clip_grad_norm_(regression.model.parameters(), 0.5)
        return loss.detach()

    with dyn.attach(regression.model, regression.optimizer, path, gradients="allocation"):
        for _ in range(10):
            regression.optimizer.step(closure)
    assert_are_those_of_sgd(path)


def test_rows_of_some_steps_have_what_those_steps_brought(path, regression):
    with dyn.attach(regression.model, regression.optimizer, path, every=3, gradients="allocation") as recorder:
        moves = []
        for _ in range(9):
            before = regression.state()[0]
            regression.step(recorder)
            moves.append(regression.state()[0] - before)
    expected = -(np.square(moves[::3]).sum(1)) / LR
    np.testing.assert_allclose(shares_of(path)["weight"][:-1], expected, rtol=1e-3)
    with dyn.open(path) as recording, pytest.raises(SettingError, match="not every step has a row"):
        attribute(recording)


def test_they_are_left_by_a_training_that_died(path, left):
    left(path, gradients="allocation")
    found = shares_of(path)
    assert len(found["weight"]) == 6
    weights = -(motions(path, "weight") ** 2).sum(1) / LR
    np.testing.assert_allclose(found["weight"][:5], weights, rtol=1e-3)


def test_the_training_is_the_same_to_the_bit(path, make_regression):
    bare, recorded = make_regression(torch.optim.Adam), make_regression(torch.optim.Adam)
    bare.train(20)
    with dyn.attach(recorded.model, recorded.optimizer, path, gradients="allocation") as recorder:
        recorded.train(20, recorder)
    for a, b in zip(bare.state(), recorded.state(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_sum_is_nearly_the_change_of_the_loss(path, make_regression):
    # Full batches and small steps: what is left is of second order.
    run = make_regression(torch.optim.SGD, lr=1e-3)
    with dyn.attach(run.model, run.optimizer, path, gradients="allocation") as recorder:
        run.train(200, recorder)
    with dyn.open(path) as recording:
        row = attribute(recording)
    assert (row.order, row.loss) == ("first order", "loss")
    assert row.allocation.total == pytest.approx(row.change, rel=0.01)
    assert row.allocation.error == pytest.approx(abs(row.allocation.total - row.change))
    assert set(row.allocation.by_parameter) == {"weight", "bias"}
    assert str(row).endswith("(first order)")
    assert sum(row.allocation.by_parameter.values()) == pytest.approx(row.allocation.total)


def test_a_recording_that_goes_on_keeps_them(path, regression):
    with dyn.attach(regression.model, regression.optimizer, path, gradients="allocation") as recorder:
        regression.train(5, recorder)
    with dyn.attach(regression.model, regression.optimizer, path, gradients="allocation", resume=True) as recorder:
        regression.train(5, recorder)
    assert_are_those_of_sgd(path)


@pytest.mark.parametrize(
    ("optimizer", "options", "said"),
    [
        (torch.optim.LBFGS, {}, "LBFGS has several"),
        (torch.optim.SGD, {"momentum": 0.9, "nesterov": True, "foreach": True}, "foreach=False"),
    ],
)
def test_optimizers_that_do_not_keep_the_gradient_are_refused(path, make_regression, optimizer, options, said):
    run = make_regression(optimizer, **options)
    with pytest.raises(SettingError, match=said):
        dyn.attach(run.model, run.optimizer, path, gradients="allocation")
    assert not path.exists()


@pytest.mark.parametrize("count", [0, 2])
def test_it_takes_one_optimizer(path, regression, count):
    optimizers = [torch.optim.SGD([p], lr=0.1) for p in regression.model.parameters()][:count]
    with pytest.raises(SettingError, match=f"takes one optimizer.*not {count}"):
        dyn.attach(regression.model, optimizers or None, path, gradients="allocation")


def test_another_word_is_refused(path, regression):
    with pytest.raises(SettingError, match="'all'"):
        dyn.attach(regression.model, regression.optimizer, path, gradients="all")


def test_the_usual_step_does_without_python(path, regression, monkeypatch):
    if HotPath is PythonHotPath:
        assert "CI" not in os.environ, "the extension recorders/step/_hotpath.c was not built"
        pytest.skip("the extension in C was not built")
    calls = []
    with dyn.attach(regression.model, regression.optimizer, path, gradients="allocation") as recorder:
        copy = Payment.copy
        monkeypatch.setattr(Payment, "copy", lambda self, slot: (calls.append(slot), copy(self, slot)))
        regression.train(10, recorder)
        during = len(calls)
    # Where the data lie is looked up by Python at the first step, and the last row is filled by it.
    assert during <= 2 < len(calls) + 1


def test_of_a_network_other_matrices_are_named_too(path):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3, bias=False), nn.Linear(3, 4, bias=False))
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)
    x = torch.rand(16, 4)
    with dyn.attach(model, optimizer, path, gradients="allocation") as recorder:
        for _ in range(20):
            optimizer.zero_grad()
            loss = (model(x) - x).square().mean()
            loss.backward()
            recorder.log(loss=loss)
            optimizer.step()
    with dyn.open(path) as recording:
        rows = [attribute(recording, parameter=name) for name in ("0.weight", "1.weight")]
        group = recording.features["0.weight"]
        assert group["allocation"].shape == group["norm"].shape
    assert rows[0].allocation.by_parameter == pytest.approx(rows[1].allocation.by_parameter)
    for row, name, other in zip(rows, ("0.weight", "1.weight"), ("1.weight", "0.weight"), strict=True):
        assert sum(row.allocation.by_feature.values()) == pytest.approx(row.allocation.by_parameter[name])
        assert row.others == (other,)
        assert f"{other} 0." in row.words
