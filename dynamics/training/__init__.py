"""The models of the catalogue, the distributions of their features, and how they are trained."""

from typing import TYPE_CHECKING

from ...faces import face

if TYPE_CHECKING:
    from .evaluation import evaluation_of
    from .feature_data import FeatureDistribution
    from .loop import Training
    from .models import AbsoluteValueModel, ToyModel
    from .modular_addition import AdditionTable, ModularAddition
    from .on_population import train_on_population

__all__ = [
    "AbsoluteValueModel",
    "AdditionTable",
    "FeatureDistribution",
    "ModularAddition",
    "ToyModel",
    "Training",
    "evaluation_of",
    "train_on_population",
]

__getattr__, __dir__ = face(
    __name__,
    {
        ".evaluation": ["evaluation_of"],
        ".feature_data": ["FeatureDistribution"],
        ".loop": ["Training"],
        ".models": ["AbsoluteValueModel", "ToyModel"],
        ".modular_addition": ["AdditionTable", "ModularAddition"],
        ".on_population": ["train_on_population"],
    },
)
