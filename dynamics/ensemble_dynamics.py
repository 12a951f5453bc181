"""When the models of an ensemble jump and as what they end: its address in 0.1.0."""

from .ensembles.gathering import FEWEST_ROWS, Model
from .ensembles.many_models import EnsembleDynamics, Formed, Occupancy, ensemble_dynamics

__all__ = ["FEWEST_ROWS", "EnsembleDynamics", "Formed", "Model", "Occupancy", "ensemble_dynamics"]
