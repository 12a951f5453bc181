"""What the rows of an experiment are measured for once its end is known, and put into its file then."""

from pathlib import Path

import numpy as np

from ..dynamics.experiments.experiment import Experiment
from .checkpoints.saving import save_answers
from .reading.recording import open_recording

# So many rows of a run are looked at.
_ROWS = 240


def numbers_of(experiment: Experiment) -> int:
    """Return how many numbers a row is given afterwards."""
    # Three measures, and the power at each frequency.
    return 3 + experiment.n_features // 2 if _adds_by_waves(experiment) else 0


def look_back(path: Path, experiment: Experiment) -> None:
    """Put into a recording that ended what its last row tells of the others; nothing for most experiments.

    Of modular addition these are the progress measures by the key frequencies of the last embedding (AdditionProgress),
    at some rows, the last among them; they are NaN in the others.
    """
    if not _adds_by_waves(experiment):
        return
    # What most experiments need nothing of.
    from ..dynamics.training.addition_progress import AdditionProgress

    with open_recording(path) as recording:
        rows = np.unique(np.linspace(0, len(recording) - 1, _ROWS).astype(int))
        progress = AdditionProgress(experiment, recording.parameters["E"][-1])
        blocks = [
            progress({name: series[row : row + 1] for name, series in recording.parameters.items()}) for row in rows
        ]
        answers = {name: np.concatenate([block[name] for block in blocks]) for name in progress.measures}
        save_answers(recording, answers, rows, replace=False)


def _adds_by_waves(experiment: Experiment) -> bool:
    """Whether it learns to add modulo an odd number that has frequencies to choose from, as one model."""
    modulus = experiment.n_features
    return experiment.model == "modular-addition" and not experiment.n_instances and modulus % 2 == 1 and modulus > 3
