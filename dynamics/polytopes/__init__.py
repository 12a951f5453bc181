"""Which polytope a group of features forms."""

from typing import TYPE_CHECKING

from ...faces import face

if TYPE_CHECKING:
    from .identification import Polytope, identify, summary

__all__ = ["Polytope", "identify", "summary"]

__getattr__, __dir__ = face(__name__, {".identification": ["Polytope", "identify", "summary"]})
