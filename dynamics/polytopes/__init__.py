"""Which polytopes the features of a matrix form, and what those are together."""

from typing import TYPE_CHECKING

from ...faces import face

if TYPE_CHECKING:
    from .identification import Polytope, identify
    from .wholes import Whole, summary, whole

__all__ = ["Polytope", "Whole", "identify", "summary", "whole"]

__getattr__, __dir__ = face(
    __name__, {".identification": ["Polytope", "identify"], ".wholes": ["Whole", "summary", "whole"]}
)
