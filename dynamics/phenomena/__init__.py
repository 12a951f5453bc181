"""What is measured of one experiment of the paper, and of no other."""

from typing import TYPE_CHECKING

from ...faces import face

if TYPE_CHECKING:
    from .absolute_value import neuron_purity, neurons_per_sign
    from .adversarial import Attack, adversarial_increase
    from .collapse import collapsed_sets, set_cosines
    from .phase_diagram import PHASES, PhaseTable, phase_table, theoretical_phase
    from .waves import wave_shares

__all__ = [
    "PHASES",
    "Attack",
    "PhaseTable",
    "adversarial_increase",
    "collapsed_sets",
    "neuron_purity",
    "neurons_per_sign",
    "phase_table",
    "set_cosines",
    "theoretical_phase",
    "wave_shares",
]

__getattr__, __dir__ = face(
    __name__,
    {
        ".absolute_value": ["neuron_purity", "neurons_per_sign"],
        ".adversarial": ["Attack", "adversarial_increase"],
        ".collapse": ["collapsed_sets", "set_cosines"],
        ".phase_diagram": ["PHASES", "PhaseTable", "phase_table", "theoretical_phase"],
        ".waves": ["wave_shares"],
    },
)
