"""Trainings of every kind are recorded, and are as they would be without a recorder."""

import copy
import pickle

import numpy as np
import pytest
import torch
from torch import nn

import dyn
from dyn.dynamics.errors import SettingError

pytestmark = pytest.mark.usefixtures("way")


def two_layers() -> tuple[nn.Sequential, torch.optim.Optimizer, torch.optim.Optimizer]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4, bias=False), nn.Linear(4, 2, bias=False))
    first, second = (torch.optim.SGD(layer.parameters(), lr=lr) for layer, lr in zip(model, (0.1, 0.2), strict=True))
    return model, first, second


def backward(model: nn.Module) -> torch.Tensor:
    model.zero_grad()
    loss = model(torch.ones(5, 3)).square().mean()
    loss.backward()
    return loss


def weights(model: nn.Module) -> list[np.ndarray]:
    return [p.detach().numpy().copy() for p in model.parameters()]


def test_two_optimizers_that_step_together_make_one_row(path):
    model, *optimizers = two_layers()
    states, losses = [], []
    with dyn.attach(model, optimizers, path) as recorder:
        for _ in range(4):
            losses.append(backward(model).item())
            states.append(weights(model))
            recorder.log(loss=losses[-1])
            for optimizer in optimizers:
                optimizer.step()
        states.append(weights(model))
    with dyn.open(path) as recording:
        np.testing.assert_array_equal(recording.step, range(5))
        for row, state in enumerate(states):
            for name, value in zip(("0.weight", "1.weight"), state, strict=True):
                np.testing.assert_array_equal(recording.parameters[name][row], value)
        np.testing.assert_array_equal(recording.scalars["loss"][:-1], losses)
        np.testing.assert_array_equal(recording.scalars["lr"], [0.1] * 5)
        np.testing.assert_array_equal(recording.scalars["lr_1"], [0.2] * 5)


def test_what_is_logged_between_two_optimizers_belongs_to_their_row(path):
    model, first, second = two_layers()
    with dyn.attach(model, [first, second], path) as recorder:
        for k in range(3):
            backward(model)
            recorder.log(loss_first=k)
            first.step()
            recorder.log(loss_second=10 + k)
            second.step()
    with dyn.open(path) as recording:
        np.testing.assert_array_equal(recording.scalars["loss_first"], [0, 1, 2, np.nan])
        np.testing.assert_array_equal(recording.scalars["loss_second"], [10, 11, 12, np.nan])


def test_an_optimizer_that_steps_more_often_makes_a_row_each_time(path):
    """As the critic of a GAN does: three steps of the first for each of the second."""
    model, first, second = two_layers()
    with dyn.attach(model, [first, second], path) as recorder:
        for _ in range(2):
            for k in range(3):
                backward(model)
                recorder.log(critic=k)
                first.step()
            recorder.log(generator=1)
            second.step()
    with dyn.open(path) as recording:
        np.testing.assert_array_equal(recording.step, range(7))
        np.testing.assert_array_equal(recording.scalars["critic"], [0, 1, 2, 0, 1, 2, np.nan])
        np.testing.assert_array_equal(recording.scalars["generator"], [np.nan, np.nan, 1] * 2 + [np.nan])
        changes = np.abs(np.diff(recording.parameters["1.weight"], axis=0)).max(axis=(1, 2)) > 0
        np.testing.assert_array_equal(changes, [False, False, True] * 2)


@pytest.mark.parametrize("every", [1, 2])
def test_two_optimizers_with_every(path, every):
    model, first, second = two_layers()
    with dyn.attach(model, [first, second], path, every=every) as recorder:
        for k in range(6):
            backward(model)
            recorder.log(a=k)
            first.step()
            recorder.log(b=k)
            second.step()
    with dyn.open(path) as recording:
        np.testing.assert_array_equal(recording.step, range(0, 7, every))
        for name in "ab":
            np.testing.assert_array_equal(recording.scalars[name][:-1], range(0, 6, every))


def test_a_module_that_is_replaced_ends_the_recording(path):
    model, first, _ = two_layers()
    with dyn.attach(model, first, path):
        for _ in range(2):
            backward(model)
            first.step()
        model[1] = nn.Linear(4, 2, bias=False)
        with pytest.warns(RuntimeWarning, match="module '1' was replaced or taken out of the model"):
            first.step()
    assert len(dyn.open(path)) == 2


def test_rows_are_taken_by_hand_where_there_is_no_optimizer(path):
    model = nn.Linear(3, 2)
    states = []
    with dyn.attach(model, None, path) as recorder:
        for k in range(5):
            states.append(weights(model)[0])
            recorder.step(loss=k)
            with torch.no_grad():
                model.weight += 1
    with dyn.open(path) as recording:
        np.testing.assert_array_equal(recording.parameters["weight"][:-1], states)
        np.testing.assert_array_equal(recording.scalars["loss"], [0, 1, 2, 3, 4, np.nan])
        np.testing.assert_array_equal(recording.step, range(6))


def test_what_is_no_optimizer_is_refused(path):
    for given in ("sgd", [torch.optim.SGD([nn.Parameter(torch.ones(1))], 0.1), None], 3):
        with pytest.raises(SettingError, match=r"takes a torch.nn.Module and a torch.optim.Optimizer"):
            dyn.attach(nn.Linear(2, 2), given, path)
    assert not path.exists()


def test_an_optimizer_of_another_model_is_told_of(path):
    stranger = torch.optim.SGD(nn.Linear(2, 2).parameters(), 0.1)
    with pytest.warns(UserWarning, match="steps none of the model's parameters"):
        dyn.attach(nn.Linear(2, 2), stranger, path).close()


def test_gradients_that_are_accumulated_make_one_row(path):
    model, first, _ = two_layers()
    with dyn.attach(model, first, path) as recorder:
        for _ in range(3):
            for k in range(4):
                recorder.log(loss=k)
                backward(model)
            first.step()
    with dyn.open(path) as recording:
        np.testing.assert_array_equal(recording.scalars["loss"], [3, 3, 3, np.nan])


def test_steps_that_a_gradient_scaler_skips_make_no_row(path):
    model = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    with dyn.attach(model, optimizer, path) as recorder:
        for k in range(6):
            optimizer.zero_grad()
            loss = model(torch.full((2, 3), torch.inf if k in (2, 3) else 1.0)).square().mean()
            scaler.scale(loss).backward()
            recorder.log(loss=k)
            scaler.step(optimizer)
            scaler.update()
    with dyn.open(path) as recording:
        np.testing.assert_array_equal(recording.scalars["loss"], [0, 1, 4, 5, np.nan])
        assert np.isfinite(recording.parameters["weight"]).all()


@pytest.mark.parametrize("compiled_first", [True, False])
def test_a_compiled_model_before_and_after_its_first_call(path, compiled_first):
    torch._dynamo.reset()
    model, *_ = two_layers()
    compiled = torch.compile(model, backend="eager")
    if compiled_first:
        backward(compiled)
    optimizer = torch.optim.Adam(compiled.parameters(), lr=0.1)
    states = []
    with dyn.attach(compiled, optimizer, path) as recorder:
        for _ in range(3):
            recorder.log(loss=backward(compiled))
            states.append(weights(model)[0])
            optimizer.step()
    with dyn.open(path) as recording:
        assert list(recording.parameters) == ["0.weight", "1.weight"]
        np.testing.assert_array_equal(recording.parameters["0.weight"][:-1], states)


# torch's own: compiling SGD.step() loads what torch itself calls deprecated.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_compiled_step_is_recorded(path):
    torch._dynamo.reset()
    model, first, _ = two_layers()
    step = torch.compile(lambda: first.step(), backend="eager")
    states = []
    with dyn.attach(model, first, path):
        for _ in range(3):
            backward(model)
            states.append(weights(model)[0])
            step()
    with dyn.open(path) as recording:
        np.testing.assert_array_equal(recording.parameters["0.weight"][:-1], states)


# The writer does not meet the optimizer: one of them is enough for the process.
@pytest.mark.parametrize(
    ("name", "writer"),
    [*((name, "inline") for name in ("SGD", "Adam", "AdamW", "LBFGS", "Adagrad", "RMSprop")), ("Adam", "process")],
)
def test_the_training_is_bit_identical_and_no_trace_is_left(path, name, writer):
    def train(record: bool) -> tuple[nn.Module, torch.optim.Optimizer]:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 2))
        optimizer = getattr(torch.optim, name)(model.parameters(), lr=0.05)
        recorder = dyn.attach(model, optimizer, path, writer=writer) if record else None

        def closure() -> torch.Tensor:
            loss = backward(model)
            if recorder is not None:
                recorder.log(loss=loss)
            return loss.detach()

        for _ in range(20):
            optimizer.step(closure)
        if recorder is not None:
            recorder.close()
        return model, optimizer

    bare, kept = train(False), train(True)
    for a, b in zip(bare, kept, strict=True):
        torch.testing.assert_close(a.state_dict(), b.state_dict(), rtol=0, atol=0, equal_nan=True)
        assert vars(a).keys() == vars(b).keys()
    assert not kept[1]._optimizer_step_pre_hooks
    assert not kept[1]._optimizer_step_post_hooks
    assert len(pickle.dumps(bare[0])) == len(pickle.dumps(kept[0]))
    assert len(pickle.dumps(bare[1])) == len(pickle.dumps(kept[1]))
    copy.deepcopy(kept)
