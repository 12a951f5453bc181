"""Sweeps: an experiment at every point of a grid of settings, in tasks that any engine runs, put into one result."""

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import (
        axes,
        engines,
        memory,
        models,
        plan,
        presets,
        result,
        run,
        sealed,
        statistics,
        story,
        sweep_file,
        tasks,
        views,
    )

__all__ = [
    "axes",
    "engines",
    "memory",
    "models",
    "plan",
    "presets",
    "result",
    "run",
    "sealed",
    "statistics",
    "story",
    "sweep_file",
    "tasks",
    "views",
]


def __getattr__(name: str) -> ModuleType:
    if name in __all__:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
