"""Which polytopes the features of a matrix form."""

from .identification import Polytope, identify, summary

__all__ = ["Polytope", "identify", "summary"]
