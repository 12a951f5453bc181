"""Recordings -> figures, animations and pages.

Every ``plot_<kind>`` takes a Recording, and an axes if you have one, changes neither, and returns the figure;
``plot`` chooses the kind that shows best what the recording is about.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .kinds import KINDS

if TYPE_CHECKING:
    from .figures.paper.absolute_value import plot_absolute_value
    from .figures.paper.adversarial import plot_adversarial
    from .animation import animate
    from .figures.paper.correlated import plot_collapse, plot_correlated
    from .figures.paper.demonstration import plot_demonstration
    from .figures.ensemble import plot_ensemble
    from .figures.sweep import plot_ensemble_dynamics
    from .figures.paper.grokking import plot_grokking
    from .figures.paper.intro import plot_intro
    from .kinds import plot
    from .figures.levels import plot_levels
    from .page import write_page
    from .figures.paper.phase_diagram import plot_phase
    from .figures.regimes import plot_regimes
    from .figures.spectrum import plot_spectrum
    from .figures.paper.uniform import plot_uniform

__all__ = [
    "animate",
    "plot",
    "plot_absolute_value",
    "plot_adversarial",
    "plot_collapse",
    "plot_correlated",
    "plot_demonstration",
    "plot_ensemble",
    "plot_ensemble_dynamics",
    "plot_grokking",
    "plot_intro",
    "plot_levels",
    "plot_phase",
    "plot_regimes",
    "plot_spectrum",
    "plot_uniform",
    "write_page",
]

_HOMES = {
    "animate": ".animation",
    "plot": ".kinds",
    "write_page": ".page",
    **{kind.function_name: kind.module for kind in KINDS.values()},
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
