"""What counts as a number, and how a value is told of that is none."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import nn

from dyn.dynamics.errors import SettingError
from dyn.recorders.model.copies import as_number, shown


@pytest.mark.parametrize(
    "value",
    [
        2,
        2.0,
        True + 1,
        np.float32(2),
        np.float64(2),
        np.int64(2),
        np.array([2.0]),
        np.array([[2]]),
        torch.tensor(2),
        torch.tensor([[2.0]]),
        torch.tensor(2, dtype=torch.bfloat16),
        torch.tensor(2.0).to(torch.float8_e4m3fn),
        nn.Parameter(torch.tensor(2.0)),
    ],
    ids=lambda value: f"{type(value).__name__} {value!r}",
)
def test_numbers(value):
    number = as_number("x", value)
    assert number == 2
    assert type(number) is float


def test_a_truth_is_a_number_and_so_are_those_that_are_not_finite():
    assert as_number("x", True) == as_number("x", torch.tensor(True)) == as_number("x", np.True_) == 1
    assert as_number("x", torch.tensor(float("inf"))) == float("inf")
    assert np.isnan(as_number("x", float("nan")))


def test_a_double_keeps_its_digits():
    assert as_number("x", torch.tensor(0.1, dtype=torch.float64)) == as_number("x", np.float64(0.1)) == 0.1


def test_a_loss_keeps_no_graph_alive():
    loss = (torch.ones(2, requires_grad=True) ** 2).sum()
    assert as_number("loss", loss) == 2


@pytest.mark.parametrize(
    "value",
    [
        "two",
        b"2",
        None,
        [1, 2],
        [1],
        {"a": 1},
        1j,
        np.complex64(1),
        np.ones(2),
        np.array("two"),
        np.datetime64("2020-01-01"),
        10**400,
        torch.ones(2),
        torch.ones(0),
        torch.tensor(1j),
        torch.ones(1, device="meta"),
        nn.Linear(1, 1),
    ],
    ids=lambda value: f"{type(value).__name__} {shown(value)[:20]}",
)
def test_what_is_no_number_is_named_in_one_line(value):
    with pytest.raises(SettingError, match=r"log\(x=…\) takes a number") as caught:
        as_number("x", value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [Decimal("2.5"), Fraction(5, 2)])
def test_exact_numbers_are_refused_rather_than_rounded_in_silence(value):
    with pytest.raises(SettingError, match="takes a number or a tensor of one element"):
        as_number("x", value)


def test_a_tensor_is_shown_by_its_shape_and_all_else_in_one_line():
    assert shown(torch.ones(2, 3)) == "a tensor of shape (2, 3), torch.float32"
    assert shown(np.ones((2, 2))) == "array([[1., 1.], [1., 1.]])"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_a_number_on_a_cuda_device_stays_there():
    value = torch.tensor([2.0], device="cuda")
    assert as_number("x", value) is value
    for unfit in (torch.ones(2, device="cuda"), torch.tensor(1j, device="cuda")):
        with pytest.raises(SettingError, match="takes a number"):
            as_number("x", unfit)
