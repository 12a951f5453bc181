"""Which polytopes the features of a matrix form."""

from .identification import Polytope, identify
from .wholes import Whole, summary, whole

__all__ = ["Polytope", "Whole", "identify", "summary", "whole"]
