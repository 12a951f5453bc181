"""What was logged, looked at together: the largest jump of every scalar and probe, and which of them have none."""

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from ...dynamics.jumps import Jump
from ..reading.recording import Recording
from ..reading.series import Series
from ..text import ShownAsText
from .signals import SignalStory, tell_signal

# Rates are set by a schedule, which knows of its own jumps.
_RATE = "lr"
# Signals of more columns, or numbers, are asked for by name: they take seconds.
_MOST_COLUMNS, _MOST_NUMBERS = 64, 2**24
# So many signals are put into words, those that jump first.
_MOST_TOLD = 12


@dataclass(frozen=True)
class Logged(ShownAsText):
    """The stories of the signals that were looked at."""

    signals: tuple[SignalStory, ...]

    def as_dict(self) -> list[dict[str, Any]]:
        """Return what JSON can hold, a document for each signal."""
        return [{"signal": each.signal, "jumps": each.as_dict()} for each in self.signals]

    def __str__(self) -> str:
        told = sorted((each for each in self.signals if each.jumps), key=lambda each: _largest(each).start)
        if not told:
            return ""
        lines = [f"{len(told)} of {len(self.signals)} logged signals jump"]
        lines += [f"  {_line(each)}" for each in told[:_MOST_TOLD]]
        lines += [f"  and {len(told) - _MOST_TOLD} more; --json has all"] if len(told) > _MOST_TOLD else []
        still = [each.signal for each in self.signals if not each.jumps]
        return "\n".join([*lines, *([f"  no jump in {', '.join(still)}"] if still else [])])


def tell_logged(recording: Recording) -> Logged:
    """Return the jumps of each scalar and probe of a recording; rates and what is very large are left out.

    The chance of a false one is 1 % for all of them together.
    """
    names = [name for name, series in {**recording.scalars, **recording.probes}.items() if _is_looked_at(name, series)]
    stories = (tell_signal(recording, name, share=1 / len(names)) for name in names)
    return Logged(tuple(story for story in stories if story.rows))


def _is_looked_at(name: str, series: Series) -> bool:
    columns = prod(series.shape[1:])
    is_small = columns <= _MOST_COLUMNS and columns * len(series) <= _MOST_NUMBERS
    return is_small and series.dtype.kind in "fiub" and name.split("_")[0] != _RATE


def _largest(story: SignalStory) -> Jump:
    return max(story.jumps, key=lambda jump: float(np.abs(jump.after - jump.before).max()))


def _line(story: SignalStory) -> str:
    more = len(story.jumps) - 1
    told = story.describe(_largest(story))
    return f"{told}; {more} smaller jump{'' if more == 1 else 's'}" if more else told
