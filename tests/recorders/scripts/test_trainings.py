"""Which optimizers make one training, and which loss of theirs goes where."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam

import dyn
from dyn.recorders.scripts.tracking import Tracking

ONES = torch.ones(4, 3)


@pytest.fixture
def tracking(tmp_path, monkeypatch) -> Iterator[Tracking]:
    monkeypatch.chdir(tmp_path)
    with Tracking(Path("run.h5"), {}, lambda _: None) as tracking:
        yield tracking


def files(tracking: Tracking) -> dict[str, int]:
    """Close the recordings, and return how many rows each file has."""
    tracking.__exit__(None, None, None)
    found = {}
    for path in sorted(Path().glob("*.h5")):
        with dyn.open(path) as recording:
            assert recording.status == "complete"
            found[path.name] = len(recording)
    return found


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 1))


def state(model: nn.Module) -> np.ndarray:
    return np.concatenate([p.detach().numpy().ravel() for p in model.parameters()])


def states(recording: dyn.Recording) -> np.ndarray:
    rows = len(recording)
    return np.concatenate([array[:].reshape(rows, -1) for array in recording.parameters.values()], axis=1)


def train(model: nn.Module, step: Callable[[], object], steps: int) -> tuple[list[np.ndarray], list[float]]:
    """Train; return the state at which each loss was computed, and the losses."""
    before, losses = [], []
    for _ in range(steps):
        before.append(state(model))
        loss = model(ONES).square().mean()
        loss.backward()
        step()
        model.zero_grad()
        losses.append(loss.item())
    return before, losses


def check(path: str, model: nn.Module, before: list[np.ndarray], losses: list[float]) -> None:
    with dyn.open(path) as recording:
        assert recording.step[:].tolist() == list(range(len(losses) + 1))
        assert (states(recording) == np.stack([*before, state(model)])).all()
        assert recording.scalars["loss"][:-1].tolist() == losses
        assert "loss_1" not in recording.scalars


def test_one_optimizer_a_parameter_is_one_training(tracking):
    model = net()
    optimizers = [SGD([p], lr=0.01 * (k + 1)) for k, p in enumerate(model.parameters())]
    before, losses = train(model, lambda: [each.step() for each in optimizers], 3)
    assert files(tracking) == {"run.h5": 4}
    check("run.h5", model, before, losses)
    with dyn.open("run.h5") as recording:
        assert [recording.scalars[f"lr_{k}"][0] for k in (1, 2, 3)] == [0.02, 0.03, 0.04]


def test_optimizers_that_are_made_at_their_first_step(tracking):
    model, optimizers = net(), {}

    def step() -> None:
        for p in model.parameters():
            optimizers.setdefault(p, None) or optimizers.update({p: Adam([p], lr=0.01)})
            optimizers[p].step()

    before, losses = train(model, step, 3)
    assert files(tracking) == {"run.h5": 4}
    check("run.h5", model, before, losses)


def test_tensors_that_no_module_owns_and_one_optimizer_each(tracking):
    weights = {name: torch.ones(2, requires_grad=True) for name in ("W", "b", "alone")}
    optimizers = {name: SGD([p], lr=0.1) for name, p in weights.items()}
    for _ in range(3):
        (weights["W"] * weights["b"]).sum().backward()
        for name in ("W", "b"):
            optimizers[name].step()
        weights["alone"].sum().backward()
        optimizers["alone"].step()
    assert files(tracking) == {"run.alone.h5": 4, "run.h5": 4}
    with dyn.open("run.h5") as recording:
        assert list(recording.parameters) == ["W", "b"]


def test_steps_within_the_pass(tracking):
    model = net()
    optimizers = {p: SGD([p], lr=0.1) for p in model.parameters()}

    def hook(p: Tensor) -> None:
        optimizers[p].step()
        optimizers[p].zero_grad()

    for p in model.parameters():
        p.register_post_accumulate_grad_hook(hook)
    before, losses = train(model, lambda: None, 3)
    assert files(tracking) == {"run.h5": 4}
    check("run.h5", model, before, losses)


@pytest.mark.parametrize("make", [SGD, Adam])
def test_a_new_optimizer_each_epoch_goes_on(tracking, make):
    model = net()
    before, losses = [], []
    for epoch in range(3):
        optimizer = make(model.parameters(), lr=0.1 / (epoch + 1))
        more = train(model, optimizer.step, 2)
        before += more[0]
        losses += more[1]
    assert files(tracking) == {"run.h5": 7}
    check("run.h5", model, before, losses)
    with dyn.open("run.h5") as recording:
        assert recording.scalars["lr"][:6] == pytest.approx([0.1, 0.1, 0.05, 0.05, 0.1 / 3, 0.1 / 3])


def test_several_optimizers_that_are_made_anew_each_epoch(tracking):
    model = net()
    before, losses = [], []
    for _ in range(3):
        both = [SGD(model[0].parameters(), lr=0.1), Adam(model[1].parameters(), lr=0.01)]
        more = train(model, lambda both=both: [each.step() for each in both], 2)
        before += more[0]
        losses += more[1]
    assert files(tracking) == {"run.h5": 7}
    check("run.h5", model, before, losses)


def test_a_successor_with_fewer_groups_leaves_no_learning_rate_of_the_other(tracking):
    model = net()
    train(model, SGD([{"params": model[0].parameters()}, {"params": model[1].parameters(), "lr": 0.3}], lr=0.1).step, 2)
    train(model, SGD(model.parameters(), lr=0.2).step, 2)
    assert files(tracking) == {"run.h5": 5}
    with dyn.open("run.h5") as recording:
        assert recording.scalars["lr"][:4].tolist() == [0.1, 0.1, 0.2, 0.2]
        assert recording.scalars["lr_1"][:4].tolist() == pytest.approx([0.3, 0.3, np.nan, np.nan], nan_ok=True)


def test_two_optimizers_of_the_same_parameters_take_turns(tracking):
    model = net()
    both = [SGD(model.parameters(), lr=0.1), Adam(model.parameters(), lr=0.01)]
    turns = iter([0, 1, 1, 0, 1, 0])
    before, losses = train(model, lambda: both[next(turns)].step(), 6)
    assert files(tracking) == {"run.h5": 7}
    check("run.h5", model, before, losses)
    with dyn.open("run.h5") as recording:
        assert recording.scalars["lr"][:6].tolist() == [0.1, 0.01, 0.01, 0.1, 0.01, 0.1]


def test_one_loss_and_two_optimizers_of_one_model(tracking):
    model = net()
    both = [SGD(model[0].parameters(), lr=0.1), Adam(model[1].parameters(), lr=0.01)]
    before, losses = train(model, lambda: [each.step() for each in both], 3)
    assert files(tracking) == {"run.h5": 4}
    check("run.h5", model, before, losses)


def test_a_whole_model_after_its_head_has_a_recording_of_its_own(tracking):
    model = net()
    train(model, SGD(model[1].parameters(), lr=0.1).step, 2)
    before, losses = train(model, SGD(model.parameters(), lr=0.1).step, 2)
    assert files(tracking) == {"run.Sequential.h5": 3, "run.h5": 3}
    check("run.Sequential.h5", model, before, losses)


class Gan(nn.Module):
    """Both halves of a GAN under one roof."""

    def __init__(self):
        super().__init__()
        self.maker, self.critic = nn.Linear(3, 2), nn.Linear(2, 1)


@pytest.mark.parametrize("per_round", [1, 2])
def test_a_gan_under_one_roof_has_rounds_and_a_loss_for_each(tracking, per_round):
    model = Gan()
    critic, maker = Adam(model.critic.parameters(), lr=0.01), Adam(model.maker.parameters(), lr=0.01)
    expected: dict[str, list[float]] = {"loss": [], "loss_1": []}
    for _ in range(3):
        for k in range(per_round):
            model.zero_grad()
            loss = model.critic(model.maker(ONES).detach()).mean()
            loss.backward()
            critic.step()
            expected["loss"].append(loss.item())
            if k < per_round - 1:
                expected["loss_1"].append(np.nan)
        model.zero_grad()
        loss = -model.critic(model.maker(ONES)).mean()
        loss.backward()
        maker.step()
        expected["loss_1"].append(loss.item())
    assert files(tracking) == {"run.h5": 3 * per_round + 1}
    with dyn.open("run.h5") as recording:
        for name, losses in expected.items():
            assert recording.scalars[name][:-1].tolist() == pytest.approx(losses, nan_ok=True)


def test_a_gan_of_two_models_has_two_recordings(tracking):
    model = Gan()
    halves = [model.critic, model.maker]
    del model
    optimizers = [SGD(half.parameters(), lr=0.1) for half in halves]
    for _ in range(2):
        for half, optimizer in zip(halves, optimizers, strict=True):
            optimizer.zero_grad()
            half(torch.ones(1, half.in_features)).sum().backward()
            optimizer.step()
    assert files(tracking) == {"run.Linear.h5": 3, "run.h5": 3}


def test_a_closure_beside_another_optimizer(tracking):
    model = net()
    first, second = SGD(model[0].parameters(), lr=0.01), torch.optim.LBFGS(model[1].parameters(), max_iter=2)
    expected: dict[str, list[float]] = {"loss": [], "loss_1": []}
    for _ in range(3):
        model.zero_grad()
        loss = model(ONES).square().mean()
        loss.backward()
        first.step()
        expected["loss"].append(loss.item())
        seen = []

        def closure(seen=seen) -> Tensor:
            second.zero_grad()
            loss = model(ONES).square().mean()
            loss.backward()
            seen.append(loss.item())
            return loss.detach()

        second.step(closure)
        expected["loss_1"].append(seen[0])
    assert files(tracking) == {"run.h5": 4}
    with dyn.open("run.h5") as recording:
        for name, losses in expected.items():
            assert recording.scalars[name][:-1].tolist() == losses


def test_an_optimizer_for_each_of_many_parameters_is_one_recording(tracking):
    model = nn.Sequential(*(nn.Linear(3, 3) for _ in range(20)))
    optimizers = [SGD([p], lr=0.1) for p in model.parameters()]
    before, losses = train(model, lambda: [each.step() for each in optimizers], 2)
    assert files(tracking) == {"run.h5": 3}
    check("run.h5", model, before, losses)
    with dyn.open("run.h5") as recording:
        assert len([name for name in recording.scalars if name.startswith("lr")]) <= 16


def test_recorders_leave_no_trace_on_any_optimizer(tracking):
    model = net()
    optimizers = [SGD(model.parameters(), lr=0.1) for _ in range(3)]
    for optimizer in optimizers:
        train(model, optimizer.step, 1)
    files(tracking)
    hooks = [
        hooks for each in optimizers for hooks in (each._optimizer_step_pre_hooks, each._optimizer_step_post_hooks)
    ]
    assert not any(hooks)
