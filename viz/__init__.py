"""Recordings -> figures, animations and pages.

Every ``plot_<kind>`` takes a Recording, and an axes if you have one, changes neither, and returns the figure;
``plot`` chooses the kind that shows best what the recording is about.
"""

from typing import TYPE_CHECKING

from ..faces import face
from .kinds import KINDS

if TYPE_CHECKING:
    from .animation import animate
    from .figures.attribution import plot_attribution
    from .figures.census import plot_census
    from .figures.comparison import plot_comparison
    from .figures.ensemble import plot_ensemble
    from .figures.levels import plot_levels
    from .figures.llc import plot_llc
    from .figures.overview import plot_overview
    from .figures.paper.absolute_value import plot_absolute_value
    from .figures.paper.adversarial import plot_adversarial
    from .figures.paper.correlated import plot_collapse, plot_correlated
    from .figures.paper.demonstration import plot_demonstration
    from .figures.paper.grokking import plot_grokking
    from .figures.paper.induction_heads import plot_induction_heads
    from .figures.paper.intro import plot_intro
    from .figures.paper.phase_diagram import plot_phase
    from .figures.paper.uniform import plot_uniform
    from .figures.regimes import plot_regimes
    from .figures.spectrum import plot_spectrum
    from .figures.sweep import plot_ensemble_dynamics
    from .kinds import plot
    from .page import write_page

__all__ = [
    "animate",
    "plot",
    "plot_absolute_value",
    "plot_adversarial",
    "plot_attribution",
    "plot_census",
    "plot_collapse",
    "plot_comparison",
    "plot_correlated",
    "plot_demonstration",
    "plot_ensemble",
    "plot_ensemble_dynamics",
    "plot_grokking",
    "plot_induction_heads",
    "plot_intro",
    "plot_levels",
    "plot_llc",
    "plot_overview",
    "plot_phase",
    "plot_regimes",
    "plot_spectrum",
    "plot_uniform",
    "write_page",
]

__getattr__, __dir__ = face(
    __name__,
    {
        ".animation": ["animate"],
        ".kinds": ["plot"],
        ".page": ["write_page"],
        **{
            kind.module: [each.function_name for each in KINDS.values() if each.module == kind.module]
            for kind in KINDS.values()
        },
    },
)
