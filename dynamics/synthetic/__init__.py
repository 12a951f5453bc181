"""Trajectories with a known answer, and how well they were found."""

from typing import TYPE_CHECKING

from ...faces import face

if TYPE_CHECKING:
    from .scoring import Score, score, total
    from .trajectories import Plan, PlantedJump, Regime, Trajectory, move, plant, tegum_product

__all__ = ["Plan", "PlantedJump", "Regime", "Score", "Trajectory", "move", "plant", "score", "tegum_product", "total"]

__getattr__, __dir__ = face(
    __name__,
    {
        ".scoring": ["Score", "score", "total"],
        ".trajectories": ["Plan", "PlantedJump", "Trajectory", "plant", "Regime", "move", "tegum_product"],
    },
)
