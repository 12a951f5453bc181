"""Many runs at once: what they have in common, when they jump and as what they end, and how sure that is."""

from typing import TYPE_CHECKING

from ...faces import face

if TYPE_CHECKING:
    from .gathering import Model
    from .intervals import IntervalEstimate, mean_of, median_of, wilson
    from .many_models import EnsembleDynamics, Formed, Occupancy, ensemble_dynamics
    from .one_ensemble import EnsembleSummary, summarise
    from .survival import Survival, kaplan_meier

__all__ = [
    "EnsembleDynamics",
    "EnsembleSummary",
    "IntervalEstimate",
    "Formed",
    "Model",
    "Occupancy",
    "Survival",
    "ensemble_dynamics",
    "kaplan_meier",
    "mean_of",
    "median_of",
    "summarise",
    "wilson",
]

__getattr__, __dir__ = face(
    __name__,
    {
        ".gathering": ["Model"],
        ".intervals": ["IntervalEstimate", "wilson", "mean_of", "median_of"],
        ".many_models": ["EnsembleDynamics", "Formed", "Occupancy", "ensemble_dynamics"],
        ".one_ensemble": ["EnsembleSummary", "summarise"],
        ".survival": ["Survival", "kaplan_meier"],
    },
)
