"""Where a training is between its steps and within them."""

from enum import Enum, auto


class Phase(Enum):
    """Where the training is: between steps, or in one that is recorded, or not, or belongs to the row before."""

    BETWEEN = auto()
    RECORDING = auto()
    SKIPPING = auto()
    JOINING = auto()
