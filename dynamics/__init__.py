"""The science: arrays in, arrays out. No files, no figures."""

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import (
        errors,
        evaluation,
        experiments,
        features,
        geometry,
        hull,
        levels,
        models,
        projection,
        settings,
        training,
    )

__all__ = [
    "errors",
    "evaluation",
    "experiments",
    "features",
    "geometry",
    "hull",
    "levels",
    "models",
    "projection",
    "settings",
    "training",
]


def __getattr__(name: str) -> ModuleType:
    if name in __all__:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
