"""The closed forms of the toy model, all under one name: losses, gradients, phase diagrams, k-gons.

Everything here takes and returns float64 arrays and batches over leading axes of W (..., m, n) and b (..., n).
Source: Toy Models of Superposition, "Superposition as a Phase Change"; what goes beyond it is named where it is.
"""

from typing import TYPE_CHECKING

from ...faces import face

if TYPE_CHECKING:
    from .extra_feature import TRIPLE_POINT, best_candidate, candidate_losses, candidate_parameters, phase_boundary
    from .kgons import KGon, best_kgon, kgon_energy, kgon_llc, kgon_loss, kgon_parameters
    from .linear_model import feature_variance, least_linear_loss, linear_loss, principal_losses
    from .population import EXACT_FEATURES, LossGradient, expected_gradient, expected_loss
    from .sampled_loss import Estimate, estimated_loss
    from .sparse_losses import (
        OneSparseTerms,
        ParameterGradient,
        one_sparse_gradient,
        one_sparse_loss,
        one_sparse_terms,
        zero_sparse_loss,
    )
    from .thomson import thomson_energy, thomson_gradient

__all__ = [
    "EXACT_FEATURES",
    "Estimate",
    "KGon",
    "LossGradient",
    "OneSparseTerms",
    "ParameterGradient",
    "TRIPLE_POINT",
    "best_candidate",
    "best_kgon",
    "candidate_losses",
    "candidate_parameters",
    "estimated_loss",
    "expected_gradient",
    "expected_loss",
    "feature_variance",
    "kgon_energy",
    "kgon_llc",
    "kgon_loss",
    "kgon_parameters",
    "least_linear_loss",
    "linear_loss",
    "one_sparse_gradient",
    "one_sparse_loss",
    "one_sparse_terms",
    "phase_boundary",
    "principal_losses",
    "thomson_energy",
    "thomson_gradient",
    "zero_sparse_loss",
]

__getattr__, __dir__ = face(
    __name__,
    {
        ".extra_feature": [
            "TRIPLE_POINT",
            "best_candidate",
            "candidate_losses",
            "candidate_parameters",
            "phase_boundary",
        ],
        ".kgons": ["KGon", "best_kgon", "kgon_energy", "kgon_llc", "kgon_loss", "kgon_parameters"],
        ".linear_model": ["feature_variance", "least_linear_loss", "linear_loss", "principal_losses"],
        ".population": ["EXACT_FEATURES", "LossGradient", "expected_gradient", "expected_loss"],
        ".sampled_loss": ["Estimate", "estimated_loss"],
        ".sparse_losses": [
            "OneSparseTerms",
            "ParameterGradient",
            "one_sparse_gradient",
            "one_sparse_loss",
            "one_sparse_terms",
            "zero_sparse_loss",
        ],
        ".thomson": ["thomson_energy", "thomson_gradient"],
    },
)
