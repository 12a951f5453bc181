"""How a tensor's present value gets into a row of the ring: a plain copy of memory wherever that is possible."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..dynamics.errors import RecordingError, SettingError


class ParameterTap:
    """Copies one parameter into rows of the ring.

    A contiguous CPU parameter is copied as bytes, from a view that is made once. The view is checked against the
    parameter's address, shape and strides every time, so a parameter whose storage was replaced is noticed and never
    recorded stale.
    Everything else (another device, strides, a dtype without a NumPy name) goes through one tensor copy.
    """

    __slots__ = ("_as_bits", "_layout", "_name", "_parameter", "_rows", "_size", "_source", "_target")

    def __init__(self, name: str, parameter: nn.Parameter, rows: np.ndarray):
        self._name = name
        self._parameter = parameter
        self._rows = rows
        self._target = _bytes(rows)
        self._size = rows[0].nbytes
        self._layout: tuple[Any, ...] = ()
        self._as_bits = parameter.dtype == torch.bfloat16
        self._source: memoryview | None = None

    def copy(self, slot: int) -> None:
        """Copy the parameter's present value into row *slot*; raises RecordingError when its shape has changed."""
        parameter = self._parameter
        if (parameter.data_ptr(), parameter.shape, parameter.stride()) != self._layout:
            self._look_again()
        if self._source is None:
            self._copy_tensor(slot)
        else:
            start = slot * self._size
            self._target[start : start + self._size] = self._source

    def _look_again(self) -> None:
        tensor = self._parameter.detach()
        if tensor.shape != self._rows.shape[1:]:
            raise RecordingError(
                f"parameter {self._name!r} changed its shape from {self._rows.shape[1:]} to {tuple(tensor.shape)}; "
                "close this recording and attach another"
            )
        bits = _bits(tensor) if self._as_bits else tensor
        plain = bits.device.type == "cpu" and bits.is_contiguous() and _has_dtype(bits, self._rows.dtype)
        self._source = _bytes(bits.numpy()) if plain else None
        self._layout = (tensor.data_ptr(), tensor.shape, tensor.stride())

    def _copy_tensor(self, slot: int) -> None:
        tensor = self._parameter.detach()
        # A parameter whose dtype has changed since is recorded in the one that it had.
        torch.from_numpy(self._rows[slot, ...]).copy_(_bits(tensor.to(torch.bfloat16)) if self._as_bits else tensor)


class ProbeTap:
    """Copies what a user's function of the model returns into rows of the ring."""

    __slots__ = ("_function", "_model", "_name", "_rows")

    def __init__(self, name: str, function: Callable[[nn.Module], Any], model: nn.Module, rows: np.ndarray):
        self._name = name
        self._function = function
        self._model = model
        self._rows = rows

    def copy(self, slot: int) -> None:
        """Call the function and copy its value into row *slot*; raises RecordingError when its shape has changed."""
        value = call_probe(self._name, self._function, self._model)
        if value.shape != self._rows.shape[1:]:
            raise RecordingError(
                f"probe {self._name!r} returned shape {value.shape}, at first it was {self._rows.shape[1:]}"
            )
        self._rows[slot] = value


def call_probe(name: str, function: Callable[[nn.Module], Any], model: nn.Module) -> np.ndarray:
    """Return what a probe says of *model* now, as an array; no gradient is traced through it.

    A plain number becomes a float64, whatever it is at first. Raises SettingError for what is no array of numbers.
    """
    if not callable(function):
        raise SettingError(f"probe {name!r} is {function!r}; give a function of the model")
    with torch.no_grad():
        value = function(model)
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        value = value.float() if value.dtype == torch.bfloat16 else value
    try:
        array = np.asarray(value, dtype=np.float64 if isinstance(value, int | float) else None)
    except ValueError as error:
        raise SettingError(f"probe {name!r} returned {value!r}: {error}") from error
    if array.dtype.kind not in "biufc":
        raise SettingError(f"probe {name!r} returned {value!r}; return a tensor, an array or a number")
    return array


def _bits(tensor: Tensor) -> Tensor:
    """Return a bfloat16 tensor as the 16-bit integers it is made of, any other as it is."""
    return tensor.view(torch.uint16) if tensor.dtype == torch.bfloat16 else tensor


def _bytes(array: np.ndarray) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def _has_dtype(tensor: Tensor, dtype: np.dtype) -> bool:
    try:
        return tensor.numpy().dtype == dtype
    except TypeError:
        return False
