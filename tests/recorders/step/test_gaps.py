"""Steps, weights and parameters of which no row is made are told once, and trainings without any are left in peace."""

import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import nn
from torch.optim.optimizer import _global_optimizer_pre_hooks

import dyn


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))


def go(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int, *, step: Callable[[], object] | None = None):
    for _ in range(steps):
        loss = model(torch.ones(8, 4)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        (step or optimizer.step)()


@contextmanager
def hears(what: str) -> Iterator[None]:
    """Have the block warn once, of *what*."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        yield
    assert [re.search(what, str(each.message)) is not None for each in told] == [True]


def sgd(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=0.1)


class Sam(torch.optim.Optimizer):
    """A wrapper of two calls, the second of which moves the weights back and steps the optimizer within."""

    def __init__(self, params, rho=0.1):
        super().__init__(params, {})
        self.base = torch.optim.SGD(self.param_groups, lr=0.1)
        self.rho = rho

    @torch.no_grad()
    def first_step(self):
        for p in self.param_groups[0]["params"]:
            p.add_(self.rho)

    @torch.no_grad()
    def second_step(self):
        for p in self.param_groups[0]["params"]:
            p.sub_(self.rho)
        self.base.step()


def test_an_optimizer_that_takes_over_is_told_once(path):
    model = net()
    optimizer = sgd(model)
    with (
        hears(r"run\.h5: Adam, which is not attached, .*list of all optimizers"),
        dyn.attach(model, optimizer, path),
    ):
        go(model, optimizer, 4)
        go(model, torch.optim.Adam(model.parameters()), 6)
    assert len(dyn.open(path)) == 5


def test_a_wrapper_that_steps_another_one_is_told_where_that_is(path):
    model = net()
    sam = Sam(model.parameters())
    with (
        hears(r"SGD, which is not attached.*attach the \.base of Sam"),
        dyn.attach(model, sam, path),
    ):
        go(model, sam, 3, step=sam.second_step)


def test_where_warnings_are_errors_the_training_goes_on_and_the_recording_is_whole(path):
    model = net()
    optimizer = sgd(model)

    def train() -> None:
        with dyn.attach(model, optimizer, path):
            go(model, optimizer, 2)
            go(model, torch.optim.Adam(model.parameters()), 2)
            reached.append(True)

    reached = []
    with pytest.raises(UserWarning, match="Adam"):
        train()
    assert reached
    with dyn.open(path) as recording:
        assert (len(recording), recording.status) == (3, "complete")


def test_steps_that_no_hook_sees_are_told_at_the_end(path):
    model = net()
    with hears("parameters changed, but no step was seen"), dyn.attach(model, sgd(model), path), torch.no_grad():
        for p in model.parameters():
            p.data.add_(0.1)


def test_an_optimizer_that_steps_in_backward_is_told(path):
    model = net()
    optimizers = {p: torch.optim.SGD([p], lr=0.1) for p in model.parameters()}
    for p, optimizer in optimizers.items():
        p.register_post_accumulate_grad_hook(lambda _, optimizer=optimizer: optimizer.step())
    with hears("list of all optimizers"), dyn.attach(model, sgd(model), path):
        model(torch.ones(2, 4)).sum().backward()


def test_parameters_that_are_unfrozen_are_named_once(path):
    model = net().requires_grad_(False)
    model[2].requires_grad_(True)
    optimizer = torch.optim.SGD(model[2].parameters(), lr=0.1)
    with hears(r"0\.weight, 0\.bias began to train after attach.*resume=True"), dyn.attach(model, optimizer, path):
        go(model, optimizer, 2)
        model[0].requires_grad_(True)
        optimizer.add_param_group({"params": model[0].parameters()})
        go(model, optimizer, 2)


def test_parameters_that_are_added_to_the_model_are_named(path):
    model = net()
    optimizer = sgd(model)
    with hears(r"3\.weight, 3\.bias began to train"), dyn.attach(model, optimizer, path):
        model.append(nn.Linear(2, 2))
        optimizer.add_param_group({"params": model[3].parameters()})
        go(model, optimizer, 2)


def test_parameters_of_an_added_group_are_named_where_some_were_selected(path):
    model = net()
    optimizer = torch.optim.SGD(model[0].parameters(), lr=0.1)
    with hears(r"2\.weight, 2\.bias began"), dyn.attach(model, optimizer, path, select=["0.weight", "0.bias"]):
        optimizer.add_param_group({"params": model[2].parameters()})
        go(model, optimizer, 2)


def test_what_began_to_train_is_recorded_once_the_recording_goes_on(path):
    model = net().requires_grad_(False)
    model[2].requires_grad_(True)
    with dyn.attach(model, sgd(model), path):
        go(model, sgd(model[2]), 0)
    model.requires_grad_(True)
    optimizer = sgd(model)
    with dyn.attach(model, optimizer, path, resume=True):
        go(model, optimizer, 2)
    with dyn.open(path) as recording:
        # The final row of the first part is the first one of the second.
        assert len(recording) == 3
        assert set(recording.parameters) == {"0.weight", "0.bias", "2.weight", "2.bias"}
        assert recording.parameters["0.weight"][-1].tolist() == model[0].weight.tolist()


class Moving(torch.optim.Optimizer):
    """As schedule-free wrappers are: it never called __init__, and moves the weights before its base steps."""

    def __init__(self, base, by):
        self.base, self.by = base, by
        self.param_groups, self.state, self.defaults = base.param_groups, base.state, base.defaults

    def zero_grad(self):
        self.base.zero_grad()

    @torch.no_grad()
    def step(self):
        for p in self.param_groups[0]["params"]:
            p.data.add_(self.by)
        # The first time by nothing, as where an average begins.
        self.by = 0.1
        self.base.step()


@pytest.mark.parametrize("what", ["wrapper", "base"])
def test_weights_that_are_moved_before_the_step_are_told(path, what):
    model = net()
    optimizer = Moving(sgd(model), by=0.0)
    attached = optimizer if what == "wrapper" else optimizer.base
    with hears("rows hold the moved weights"), dyn.attach(model, attached, path):
        go(model, optimizer, 5)


def test_a_sharpness_step_that_ends_where_no_gradient_was_is_told(path):
    model = net()
    sam = Sam(model.parameters())
    with hears("moved"), dyn.attach(model, sam.base, path):
        for _ in range(2):
            model(torch.ones(2, 4)).square().mean().backward()
            sam.first_step()
            sam.zero_grad()
            model(torch.ones(2, 4)).square().mean().backward()
            sam.second_step()


def accumulation(model, optimizer, _recorder):
    for k in range(8):
        model(torch.ones(2, 4)).square().mean().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        if k % 2:
            optimizer.step()
            optimizer.zero_grad()


def a_closure(model, optimizer, _recorder):
    def closure():
        optimizer.zero_grad()
        loss = model(torch.ones(2, 4)).square().mean()
        loss.backward()
        return loss.detach()

    for _ in range(4):
        optimizer.step(closure)


def moves_between_steps(model, optimizer, _recorder):
    for _ in range(4):
        go(model, optimizer, 1)
        with torch.no_grad():
            model[0].weight.clamp_(-0.1, 0.1)


def rows_by_hand(model, _optimizer, recorder):
    other = torch.optim.Adam(model.parameters())
    for _ in range(3):
        recorder.step()
        go(model, other, 1)


def another_model(_model, optimizer, _recorder):
    other = net()
    go(other, sgd(other), 2)
    optimizer.step()


def an_outer_optimizer(model, optimizer, _recorder):
    class Outer(torch.optim.Optimizer):
        def __init__(self):
            super().__init__(model.parameters(), {})

        def step(self, closure=None):
            optimizer.step(closure)

    go(model, Outer(), 3)


def no_step_at_all(model, _optimizer, _recorder):
    model(torch.ones(2, 4)).sum().backward()


def frozen_and_thawed_between_looks(model, optimizer, _recorder):
    model[0].requires_grad_(False)
    go(model, optimizer, 2)
    model[0].requires_grad_(True)
    go(model, optimizer, 2)


TRAININGS = [
    accumulation,
    a_closure,
    moves_between_steps,
    rows_by_hand,
    another_model,
    an_outer_optimizer,
    no_step_at_all,
    frozen_and_thawed_between_looks,
]


@pytest.mark.parametrize("train", TRAININGS, ids=lambda train: train.__name__)
def test_a_training_all_of_whose_steps_make_rows_hears_nothing(path, train):
    model = net()
    optimizer = sgd(model)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with dyn.attach(model, optimizer, path) as recorder:
            train(model, optimizer, recorder)
    assert dyn.open(path).status == "complete"


def test_two_optimizers_that_step_in_rounds_hear_nothing(path):
    model = net()
    first, second = (torch.optim.SGD(layer.parameters(), lr=0.1) for layer in (model[0], model[2]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with dyn.attach(model, [first, second], path):
            for _ in range(5):
                model(torch.ones(2, 4)).square().mean().backward()
                first.step()
                second.step()
    assert len(dyn.open(path)) == 6


def test_nothing_stays_on_torch_or_the_parameters(path):
    model = net()
    optimizer = sgd(model)
    # Recorders that other tests have lost.
    before = [*_global_optimizer_pre_hooks]
    recorders = [dyn.attach(model, optimizer, path.with_name(f"{k}.h5")) for k in range(2)]
    go(model, optimizer, 1)
    assert len(_global_optimizer_pre_hooks) == max(1, len(before))
    for recorder in recorders:
        recorder.close()
    assert [*_global_optimizer_pre_hooks] == before
    assert not any(p._post_accumulate_grad_hooks for p in model.parameters())
    assert not optimizer._optimizer_step_post_hooks


def test_the_training_is_the_same_to_the_bit(path):
    bare, watched = net(), net()
    go(bare, sgd(bare), 6)
    optimizer = sgd(watched)
    with dyn.attach(watched, optimizer, path):
        go(watched, optimizer, 6)
    for one, other in zip(bare.parameters(), watched.parameters(), strict=True):
        assert torch.equal(one, other)
