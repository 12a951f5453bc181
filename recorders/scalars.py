"""The numbers that a user logs: what counts as one, and what it may be called."""

from collections.abc import Iterable
from typing import Any

from torch import Tensor

from ..dynamics.errors import SettingError


def check_name(name: str, others: Iterable[str]) -> None:
    """Hold a scalar's name to what can be a path in the file: it may have slashes, but no other name may lie on it."""
    parts = name.split("/")
    if "" in parts or "." in parts:
        raise SettingError(f"log({name!r}=…): a name is made of words, with single slashes between them at most")
    for other in others:
        if other.startswith(f"{name}/") or name.startswith(f"{other}/"):
            raise SettingError(f"log({name!r}=…) collides with {other!r}, which is logged too; rename one of them")


def as_number(name: str, value: float | Tensor) -> float | Tensor:
    """Return a number, or a tensor on another device to be fetched later."""
    if type(value) is float:
        return value
    if isinstance(value, Tensor) and not value.is_cpu and value.numel() == 1:
        # A copy on its own device: it waits for nothing, and keeps no graph alive.
        return value.detach().clone()
    try:
        # NumPy's numbers and torch's tensors of one element both have item().
        return float(value if isinstance(value, int | float) else value.item())
    except (AttributeError, OverflowError, TypeError, ValueError, RuntimeError) as error:
        raise SettingError(f"log({name}=…) takes a number or a tensor of one element, got {_shown(value)}") from error


def _shown(value: Any) -> str:
    return f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else repr(value)
