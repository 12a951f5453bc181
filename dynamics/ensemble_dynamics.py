"""When the models of an ensemble jump and as what they end: its address in 0.1.0."""

from .ensembles.many_models import EnsembleDynamics, Formed, Model, Occupancy, ensemble_dynamics

__all__ = ["EnsembleDynamics", "Formed", "Model", "Occupancy", "ensemble_dynamics"]
