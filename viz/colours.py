"""What colour each feature has in every picture of a recording."""

import numpy as np

from ..recorders.reading.selection import Selection
from .parts.style import FAINT, palette

# Below this dimensionality a feature counts as not represented.
REPRESENTED = 0.1


def feature_colours(selection: Selection, final: np.ndarray) -> list[str]:
    """Return a colour for each feature: its set's, or its own if it ends represented, a faint one otherwise.

    Shapes: final (n,), the dimensionalities of the last row.
    """
    if selection.sets is not None:
        return [palette(int(selection.sets.max()) + 1)[k] for k in selection.sets]
    represented = final > REPRESENTED
    own = iter(palette(int(represented.sum())))
    return [next(own) if shown else FAINT for shown in represented]
