"""The population loss as a surface: its curvature, and the critical points nearby."""

from typing import TYPE_CHECKING

from ...faces import face

if TYPE_CHECKING:
    from .critical_points import CriticalPoint, refine
    from .llc import LlcEstimate, estimate, estimate_each
    from .spectrum import Curvature, curvature, curvature_at, is_twice_differentiable
    from .surfaces import PopulationSurface, one_hot_loss

__all__ = [
    "CriticalPoint",
    "Curvature",
    "LlcEstimate",
    "PopulationSurface",
    "curvature",
    "curvature_at",
    "estimate",
    "estimate_each",
    "is_twice_differentiable",
    "one_hot_loss",
    "refine",
]

__getattr__, __dir__ = face(
    __name__,
    {
        ".critical_points": ["CriticalPoint", "refine"],
        ".llc": ["LlcEstimate", "estimate", "estimate_each"],
        ".spectrum": ["Curvature", "curvature", "curvature_at", "is_twice_differentiable"],
        ".surfaces": ["PopulationSurface", "one_hot_loss"],
    },
)
