"""Trajectories with a known answer, and how well they were found."""

from typing import TYPE_CHECKING

from ...faces import face

if TYPE_CHECKING:
    from .scoring import Score, score, total
    from .trajectories import Plan, PlantedJump, PlantedRegime, Trajectory, move, plant, tegum_product

__all__ = [
    "Plan",
    "PlantedJump",
    "PlantedRegime",
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
        ".trajectories": ["Plan", "PlantedJump", "Trajectory", "plant", "PlantedRegime", "move", "tegum_product"],
    },
)
