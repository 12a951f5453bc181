"""Trajectories with a known answer, and how well they were found."""

from typing import TYPE_CHECKING

from ...faces import face

if TYPE_CHECKING:
    from .scoring import Score, score, total
    from .trajectories import (
        Plan,
        PlantedJump,
        PlantedRegime,
        Regime,
        Shape,
        Spacing,
        Trajectory,
        move,
        plant,
        tegum_product,
    )

__all__ = [
    "Plan",
    "PlantedJump",
    "PlantedRegime",
    "Regime",
    "Shape",
    "Spacing",
    "Score",
    "Trajectory",
    "move",
    "plant",
    "score",
    "tegum_product",
    "total",
]

__getattr__, __dir__ = face(
    __name__,
    {
        ".scoring": ["Score", "score", "total"],
        ".trajectories": [
            "Plan",
            "PlantedJump",
            "Trajectory",
            "plant",
            "PlantedRegime",
            "Regime",
            "Shape",
            "Spacing",
            "move",
            "tegum_product",
        ],
    },
)
