"""How features move: between two steps, between two runs, and through the regimes of a training."""

from .affine import Motion, angle_and_axis, transformation

__all__ = ["Motion", "angle_and_axis", "transformation"]
