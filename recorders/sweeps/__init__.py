"""An experiment over a grid of settings: planned, trained, and read as one result."""

from typing import TYPE_CHECKING

from ...faces import face

if TYPE_CHECKING:
    from . import statistics, sweep_file
    from .paper import PRESETS, plan_sweep
    from .run import run_sweep
    from .sweep import Sweep

__all__ = ["PRESETS", "Sweep", "plan_sweep", "run_sweep", "statistics", "sweep_file"]

__getattr__, __dir__ = face(
    __name__,
    {".paper": ["PRESETS", "plan_sweep"], ".run": ["run_sweep"], ".sweep": ["Sweep"]},
    ["statistics", "sweep_file"],
)
