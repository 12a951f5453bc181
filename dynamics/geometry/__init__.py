"""What a matrix of features is: lengths, overlaps, dimensionalities, its hull and its main directions."""

from typing import TYPE_CHECKING

from ...faces import face

if TYPE_CHECKING:
    from .directions import directions_of, principal_directions, projection
    from .hull import Hull, convex_hull
    from .measures import FeatureGeometry, dimensionality, gram, interference, measure, norms

__all__ = [
    "FeatureGeometry",
    "Hull",
    "convex_hull",
    "dimensionality",
    "directions_of",
    "gram",
    "interference",
    "measure",
    "norms",
    "principal_directions",
    "projection",
]

__getattr__, __dir__ = face(
    __name__,
    {
        ".directions": ["principal_directions", "directions_of", "projection"],
        ".hull": ["Hull", "convex_hull"],
        ".measures": ["gram", "norms", "dimensionality", "interference", "FeatureGeometry", "measure"],
    },
)
