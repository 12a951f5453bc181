"""The science: arrays in, arrays out. No files, no figures."""

from typing import TYPE_CHECKING

from ..faces import face

if TYPE_CHECKING:
    from . import (
        attribution,
        chance,
        ensemble_dynamics,
        ensembles,
        errors,
        experiments,
        geometry,
        jumps,
        landscape,
        levels,
        motion,
        phenomena,
        polytopes,
        signals,
        synthetic,
        theory,
        training,
    )

__all__ = [
    "attribution",
    "chance",
    "ensemble_dynamics",
    "ensembles",
    "errors",
    "experiments",
    "geometry",
    "jumps",
    "landscape",
    "levels",
    "motion",
    "phenomena",
    "polytopes",
    "signals",
    "synthetic",
    "theory",
    "training",
]

__getattr__, __dir__ = face(
    __name__,
    {},
    [
        "attribution",
        "chance",
        "ensemble_dynamics",
        "ensembles",
        "errors",
        "experiments",
        "geometry",
        "jumps",
        "landscape",
        "levels",
        "motion",
        "phenomena",
        "polytopes",
        "signals",
        "synthetic",
        "theory",
        "training",
    ],
)
