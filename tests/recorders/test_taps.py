"""Every kind of parameter gets into the ring as it is now."""

import numpy as np
import pytest
import torch
from torch import nn

from dyn.dynamics.errors import RecordingError
from dyn.recorders.taps import ParameterTap, ProbeTap, call_probe

DTYPES = [torch.float32, torch.float64, torch.float16, torch.complex64, torch.bfloat16]


def values(seed: int, *shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def tap_on(parameter: nn.Parameter, capacity: int = 3) -> tuple[ParameterTap, np.ndarray]:
    bits = parameter.detach().view(torch.uint16) if parameter.dtype == torch.bfloat16 else parameter.detach()
    rows = np.zeros((capacity, *parameter.shape), bits.numpy().dtype)
    return ParameterTap("p", parameter, rows), rows


def read_back(row: np.ndarray, dtype: torch.dtype) -> torch.Tensor:
    return torch.from_numpy(row).view(dtype) if dtype == torch.bfloat16 else torch.from_numpy(row)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", ["contiguous", "transposed", "strided", "scalar"])
def test_every_dtype_and_layout(dtype, layout):
    tensor = {
        "contiguous": values(0, 4, 3),
        "transposed": values(0, 4, 4).T,
        "strided": values(0, 8, 6)[::2, 1::2],
        "scalar": values(0),
    }[layout]
    parameter = nn.Parameter(tensor.to(dtype) if layout != "transposed" else tensor.T.to(dtype).T)
    tap, rows = tap_on(parameter)
    for slot in (1, 2):
        tap.copy(slot)
        assert torch.equal(read_back(rows[slot, ...], dtype), parameter.detach())
        with torch.no_grad():
            parameter.add_(1)
    assert not torch.equal(read_back(rows[1, ...], dtype), read_back(rows[2, ...], dtype))
    assert not rows[0, ...].any()


@pytest.mark.parametrize(
    "replace",
    [
        lambda _: values(1, 4, 4),
        lambda p: p.data.T,
        lambda p: p.data.clone(),
        lambda _: values(1, 8, 8)[::2, ::2],
        lambda p: p.data.double(),
    ],
    ids=["another", "transposed in place", "copied", "strided", "wider"],
)
def test_storage_that_was_replaced_is_never_recorded_stale(replace):
    parameter = nn.Parameter(values(0, 4, 4))
    tap, rows = tap_on(parameter)
    tap.copy(0)
    parameter.data = replace(parameter)
    tap.copy(1)
    np.testing.assert_array_equal(rows[1], parameter.detach().numpy())
    with torch.no_grad():
        parameter.mul_(2)
    tap.copy(2)
    np.testing.assert_array_equal(rows[2], parameter.detach().numpy())


@pytest.mark.parametrize(
    "replace",
    [lambda _: values(1, 5, 3), lambda p: p.data[:2], lambda p: p.data.view(3, 4), lambda p: p.data.flatten()],
    ids=["another", "two rows of it", "viewed otherwise", "flat"],
)
def test_another_shape_is_an_error(replace):
    parameter = nn.Parameter(values(0, 4, 3))
    tap, _ = tap_on(parameter)
    tap.copy(0)
    parameter.data = replace(parameter)
    with pytest.raises(RecordingError, match=r"'p' changed its shape from \(4, 3\) to"):
        tap.copy(1)


def test_a_probe_may_not_change_its_shape():
    sizes = iter([2, 2, 3])
    rows = np.zeros((2, 2))
    tap = ProbeTap("q", lambda _: np.ones(next(sizes)), nn.Linear(1, 1), rows)
    tap.copy(0)
    tap.copy(1)
    np.testing.assert_array_equal(rows, 1)
    with pytest.raises(RecordingError, match=r"'q' returned shape \(3,\), at first it was \(2,\)"):
        tap.copy(0)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1.5, np.array(1.5)),
        ([1, 2], np.array([1, 2])),
        (torch.ones(2, requires_grad=True), np.ones(2, np.float32)),
        (torch.tensor([0.5], dtype=torch.bfloat16), np.array([0.5], np.float32)),
    ],
    ids=str,
)
def test_call_probe(value, expected):
    found = call_probe("p", lambda _: value, nn.Linear(1, 1))
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


def test_no_gradient_is_traced_through_a_probe():
    seen = []
    call_probe("p", lambda model: seen.append(model.weight.sum().requires_grad) or 0, nn.Linear(1, 1))
    assert seen == [False]
