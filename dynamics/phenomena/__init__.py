"""What is measured of one phenomenon: of an experiment of the paper, or of a network that computes with waves."""

from typing import TYPE_CHECKING

from ...faces import face

if TYPE_CHECKING:
    from .absolute_value import neuron_purity, neurons_per_sign
    from .adversarial import Attack, adversarial_increase
    from .collapse import collapsed_sets, set_cosines
    from .phase_diagram import PHASES, PhaseTable, phase_table, theoretical_phase
    from .progress_measures import excluded_logits, restricted_logits
    from .waves import key_frequencies, wave_power, wave_shares

__all__ = [
    "PHASES",
    "Attack",
    "PhaseTable",
    "adversarial_increase",
    "collapsed_sets",
    "excluded_logits",
    "key_frequencies",
    "neuron_purity",
    "neurons_per_sign",
    "phase_table",
    "restricted_logits",
    "set_cosines",
    "theoretical_phase",
    "wave_power",
    "wave_shares",
]

__getattr__, __dir__ = face(
    __name__,
    {
        ".absolute_value": ["neuron_purity", "neurons_per_sign"],
        ".adversarial": ["Attack", "adversarial_increase"],
        ".collapse": ["collapsed_sets", "set_cosines"],
        ".phase_diagram": ["PHASES", "PhaseTable", "phase_table", "theoretical_phase"],
        ".progress_measures": ["excluded_logits", "restricted_logits"],
        ".waves": ["key_frequencies", "wave_power", "wave_shares"],
    },
)
