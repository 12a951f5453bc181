"""Trajectories with a known answer, and how well they were found."""

from typing import TYPE_CHECKING

from ...faces import face

if TYPE_CHECKING:
    from .losses import LossPlan, plant_with_loss
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
    "LossPlan",
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
    "plant_with_loss",
    "score",
    "tegum_product",
    "total",
]

__getattr__, __dir__ = face(
    __name__,
    {
        ".losses": ["LossPlan", "plant_with_loss"],
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
