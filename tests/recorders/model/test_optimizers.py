"""Which optimizer's hooks are used: one without any is taken off what it is around, or refused by name."""

from collections.abc import Iterator

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import nn

import dyn
from dyn.dynamics.errors import SettingError
from dyn.recorders.model.optimizers import stepping_optimizers


class Uninitialised(torch.optim.Optimizer):
    """Never calls Optimizer.__init__, as many wrappers do."""

    def __init__(self, **parts):
        vars(self).update(parts)
        first = next(iter(parts.values()), None)
        self.param_groups = getattr(first, "param_groups", [])
        self.state, self.defaults = {}, {}

    def step(self, closure=None):
        return next(each for each in vars(self).values() if isinstance(each, torch.optim.Optimizer)).step(closure)

    def zero_grad(self, set_to_none=True):
        pass


class Delegating:
    """No Optimizer at all, with one within, as Fabric has it."""

    def __init__(self, optimizer):
        self._optimizer = optimizer
        self.step, self.zero_grad = optimizer.step, optimizer.zero_grad


@pytest.fixture
def model() -> nn.Linear:
    return nn.Linear(3, 2)


@pytest.fixture
def inner(model) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=0.1)


WRAPPERS = {
    "none": lambda inner: inner,
    "accelerate": lambda inner: Accelerator(cpu=True).prepare_optimizer(inner),
    "uninitialised": lambda inner: Uninitialised(base=inner),
    "named twice": lambda inner: Uninitialised(base=inner, again=inner),
    "delegating": Delegating,
}


@pytest.fixture(autouse=True)
def _forget_accelerate() -> Iterator[None]:
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.mark.parametrize("kind", WRAPPERS)
def test_the_optimizer_within_is_recorded(model, inner, path, kind):
    optimizer = WRAPPERS[kind](inner)
    assert stepping_optimizers(model, optimizer) == [inner]
    with dyn.attach(model, optimizer, path):
        for _ in range(3):
            model(torch.ones(3)).sum().backward()
            optimizer.step()
    assert dyn.open(path).step[:].tolist() == [0, 1, 2, 3]
    assert not inner._optimizer_step_pre_hooks


def test_one_that_has_hooks_is_itself_whatever_is_within(model, inner):
    class Lookahead(torch.optim.Optimizer):
        def __init__(self):
            super().__init__(model.parameters(), {})
            self.base = inner

        def step(self, closure=None):
            return self.base.step(closure)

    optimizer = Lookahead()
    assert stepping_optimizers(model, optimizer) == [optimizer]


def test_what_cannot_be_seen_is_refused_by_name_before_anything_is_on_disk(model, inner, path):
    other = torch.optim.SGD(model.parameters(), lr=0.1)
    for parts, held in (({}, "no optimizer in it"), ({"first": inner, "second": other}, "2 optimizers in it")):
        with pytest.raises(SettingError, match=f"Uninitialised, which has no hooks.*{held}") as caught:
            dyn.attach(model, Uninitialised(**parts), path)
        assert "\n" not in str(caught.value)
    assert not [*path.parent.iterdir()]


def test_a_scheduler_is_no_optimizer(model, inner, path):
    scheduler = torch.optim.lr_scheduler.StepLR(inner, 3)
    with pytest.raises(SettingError, match="Linear and StepLR"):
        dyn.attach(model, scheduler, path)
