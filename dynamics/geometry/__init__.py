"""What a matrix of features is: lengths, overlaps, dimensionalities, its hull and its main directions."""

from typing import TYPE_CHECKING

from ...faces import face

if TYPE_CHECKING:
    from .directions import directions_of, principal_directions, projection
    from .hull import Hull, convex_hull
    from .measures import FeatureGeometry, dimensionality, gram, interference, measure, norms
    from .spectra import change_from, effective_rank, matrix_norm, singular_values, update_size

__all__ = [
    "FeatureGeometry",
    "Hull",
    "change_from",
    "convex_hull",
    "dimensionality",
    "directions_of",
    "effective_rank",
    "gram",
    "interference",
    "matrix_norm",
    "measure",
    "norms",
    "principal_directions",
    "projection",
    "singular_values",
    "update_size",
]

__getattr__, __dir__ = face(
    __name__,
    {
        ".directions": ["principal_directions", "directions_of", "projection"],
        ".hull": ["Hull", "convex_hull"],
        ".measures": ["gram", "norms", "dimensionality", "interference", "FeatureGeometry", "measure"],
        ".spectra": ["singular_values", "effective_rank", "matrix_norm", "update_size", "change_from"],
    },
)
