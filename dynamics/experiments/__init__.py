"""The catalogue: the experiments of the paper, two beyond it, and what an experiment is."""

from typing import TYPE_CHECKING

from ...faces import face

if TYPE_CHECKING:
    from .catalogue import EXPERIMENTS, find_experiment
    from .experiment import Experiment
    from .settings import parse_settings

__all__ = ["EXPERIMENTS", "Experiment", "find_experiment", "parse_settings"]

__getattr__, __dir__ = face(
    __name__,
    {".catalogue": ["EXPERIMENTS", "find_experiment"], ".experiment": ["Experiment"], ".settings": ["parse_settings"]},
)
