"""Recordings -> figures and animations.

Every ``plot_<kind>`` takes a Recording, and an axes if you have one, changes neither, and returns the figure.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .animation import animate
    from .levels import plot_levels

__all__ = ["animate", "plot_levels"]

_HOMES = {"animate": ".animation", "plot_levels": ".levels"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
