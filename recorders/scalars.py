"""The numbers that a user logs: what counts as one."""

from typing import Any

from torch import Tensor

from ..dynamics.errors import SettingError


def as_number(name: str, value: float | Tensor) -> float | Tensor:
    """Return a number, or a tensor on a CUDA device, whose number is not there yet."""
    if type(value) is float:
        return value
    if isinstance(value, Tensor) and value.is_cuda and value.numel() == 1 and not value.is_complex():
        return value
    try:
        # NumPy's numbers and torch's tensors of one element both have item().
        return float(value if isinstance(value, int | float) else value.item())
    except (AttributeError, OverflowError, TypeError, ValueError, RuntimeError) as error:
        raise SettingError(f"log({name}=…) takes a number or a tensor of one element, got {shown(value)}") from error


def shown(value: Any) -> str:
    """Return a value in the words of an error, in one line."""
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}, {value.dtype}"
    return " ".join(repr(value).split())
