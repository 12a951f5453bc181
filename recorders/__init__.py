"""Hooks, ring, writer, file; and reading it back."""

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import (
        channels,
        experiment,
        format,
        hooks,
        recorder,
        recording,
        ring,
        rows,
        scalars,
        series,
        store,
        summary,
        taps,
        writer,
    )

__all__ = [
    "channels",
    "experiment",
    "format",
    "hooks",
    "recorder",
    "recording",
    "ring",
    "rows",
    "scalars",
    "series",
    "store",
    "summary",
    "taps",
    "writer",
]


def __getattr__(name: str) -> ModuleType:
    if name in __all__:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
