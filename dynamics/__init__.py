"""The science: arrays in, arrays out. No files, no figures."""

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import (
        absolute_value,
        adversarial,
        catalogue,
        collapse,
        directions,
        ensemble_dynamics,
        ensembles,
        errors,
        evaluation,
        experiments,
        features,
        fourier,
        fused_training,
        geometry,
        hull,
        intervals,
        jumps,
        landscape,
        levels,
        models,
        modular_addition,
        motion,
        phases,
        polytopes,
        population_training,
        projection,
        recipe,
        scoring,
        settings,
        stripes,
        survival,
        synthetic,
        theory,
        training,
    )

__all__ = [
    "absolute_value",
    "adversarial",
    "catalogue",
    "collapse",
    "directions",
    "ensemble_dynamics",
    "ensembles",
    "errors",
    "evaluation",
    "experiments",
    "features",
    "fourier",
    "fused_training",
    "geometry",
    "hull",
    "intervals",
    "jumps",
    "landscape",
    "levels",
    "models",
    "modular_addition",
    "motion",
    "phases",
    "polytopes",
    "population_training",
    "projection",
    "recipe",
    "scoring",
    "settings",
    "stripes",
    "survival",
    "synthetic",
    "theory",
    "training",
]


def __getattr__(name: str) -> ModuleType:
    if name in __all__:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
