"""How features move: the transformation between two steps, regimes of a run, alignment of runs."""

from typing import TYPE_CHECKING

from ...faces import face

if TYPE_CHECKING:
    from . import alignment, regimes
    from .affine import Motion, angle_and_axis, transformation

__all__ = ["Motion", "alignment", "angle_and_axis", "regimes", "transformation"]

__getattr__, __dir__ = face(
    __name__, {".affine": ["Motion", "angle_and_axis", "transformation"]}, ["alignment", "regimes"]
)
