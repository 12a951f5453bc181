"""What a tensor is called by whoever holds it."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from dyn.recorders.scripts.naming import names_of


class Agent:
    """Holds a tensor as an attribute, and others in containers."""

    def __init__(self, tensor: Tensor):
        self.log_alpha = tensor
        self._hidden = torch.ones(1)
        self.layers = [torch.ones(1), torch.ones(1)]
        self.params = [torch.ones(1)]
        self.named = [("first", torch.ones(1))]


class Slotted:
    """Has slots, of which one is empty."""

    __slots__ = ("empty", "scale")

    def __init__(self, tensor: Tensor):
        self.scale = tensor


@dataclass
class Scale:
    """A dataclass."""

    factor: Tensor


def name(tensor: Tensor, **variables) -> str | None:
    return names_of([tensor], variables).get(id(tensor))


def test_a_variable_comes_first():
    tensor = torch.ones(1)
    agent = Agent(tensor)
    assert name(tensor, alpha=tensor) == "alpha"
    assert name(agent.log_alpha, _alpha=tensor) == "log_alpha"


@pytest.mark.parametrize(
    ("hold", "expected"),
    [
        (Agent, "log_alpha"),
        (Slotted, "scale"),
        (Scale, "factor"),
        (lambda tensor: {"a.weight": tensor, 3: None}, "a.weight"),
        (lambda tensor: {"encoder/W": tensor}, "encoder.W"),
        (lambda tensor: {"layers": [None, tensor]}, "layers.1"),
        (lambda tensor: [("b", tensor)], "b"),
        (lambda tensor: {"train": tensor}, "train_"),
        (lambda tensor: {"": tensor, "..": tensor, "ok": tensor}, "ok"),
    ],
)
def test_what_holds_it_names_it(hold, expected):
    tensor = torch.ones(1)
    holder = hold(tensor)
    assert name(tensor) == expected
    assert holder is not None


def test_lists_number_what_is_in_them():
    agent = Agent(torch.ones(1))
    names = names_of([*agent.layers, *agent.params], {})
    assert list(names.values()) == ["layers.0", "layers.1", "params.0"]


def test_what_is_for_nobody_else_and_an_optimizers_groups_name_nothing():
    agent = Agent(torch.ones(1))
    lone = torch.ones(1, requires_grad=True)
    optimizer = torch.optim.SGD([{"params": [lone], "lr": 0.1}])
    assert names_of([agent._hidden, lone, torch.ones(1)], {}) == {}
    assert optimizer.param_groups
