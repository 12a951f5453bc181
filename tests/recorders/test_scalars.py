"""What counts as a number, and what it may be called."""

import numpy as np
import pytest
import torch

from dyn.dynamics.errors import SettingError
from dyn.recorders.scalars import as_number, check_name


@pytest.mark.parametrize(
    "value", [2, 2.0, True + 1, np.float32(2), np.array([2.0]), torch.tensor(2), torch.tensor([2.0])]
)
def test_numbers(value):
    number = as_number("x", value)
    assert number == 2
    assert type(number) is float


def test_a_loss_keeps_no_graph_alive():
    loss = (torch.ones(2, requires_grad=True) ** 2).sum()
    assert as_number("loss", loss) == 2


@pytest.mark.parametrize("value", ["two", None, [1, 2], torch.ones(2), torch.tensor(1j)])
def test_what_is_no_number_is_named(value):
    with pytest.raises(SettingError, match=r"log\(x=…\) takes a number"):
        as_number("x", value)


@pytest.mark.parametrize("name", ["loss", "train/loss", "top-5 error", "a/b/c"])
def test_names(name):
    check_name(name, ["lr", "train/accuracy"])


@pytest.mark.parametrize("name", ["", "/loss", "loss/", "a//b", "a/./b", ".", "lr/0", "train"])
def test_names_that_cannot_be_paths(name):
    with pytest.raises(SettingError, match="log"):
        check_name(name, ["lr", "train/accuracy"])
