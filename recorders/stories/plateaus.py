"""Where a run rests: the steps at which to look for the saddles that it passes."""

from collections.abc import Sequence
from itertools import pairwise

from ...dynamics.errors import RecordingError, SettingError
from ...dynamics.jumps import Jump
from ...dynamics.motion.regimes import Regime
from ..reading.recording import Recording
from .story import tell

# What goes on in a regime in which the features rest.
_RESTING = ("rest", "settling")


def plateau_steps(recording: Recording, parameter: str | None = None, instance: int | None = None) -> list[int]:
    """Return the step in the middle of each plateau of a run, in order.

    A plateau is a regime in which the features rest, or what lies between one jump and the next, or the end, and holds
    the middle of no such regime: regimes tell of all features together, and miss that most of many rest.

    Raises RecordingError where there is none, and what tell() raises.
    """
    story = tell(recording, parameter, instance)
    steps = plateaus(story.regimes or [], story.jumps, int(recording.step[-1]))
    if not steps:
        raise RecordingError(f"{recording.path} has no plateau: it never rests, and nothing jumps; give steps")
    return steps


def plateaus(regimes: Sequence[Regime], jumps: Sequence[Jump], last: int) -> list[int]:
    """Return the middles of the plateaus of a run whose last step is *last*; see plateau_steps()."""
    rests = [(each.start + each.end) // 2 for each in regimes if each.kind in _RESTING]
    # Jumps are in the order in which they begin, and one may begin before another ends.
    bounds = [*((jump.start, jump.end) for jump in jumps), (last, last)]
    between = [(int(end), int(start)) for (_, end), (start, _) in pairwise(bounds) if start > end]
    alone = [(a + b) // 2 for a, b in between if not any(a <= rest <= b for rest in rests)]
    return sorted([*rests, *alone])


def parse_steps(text: str) -> list[int]:
    """Read steps such as ``400,2000``; raises SettingError naming what is none."""
    words = [word.strip() for word in text.split(",")]
    for word in words:
        if not word.isdecimal():
            raise SettingError(f"steps={text!r}: {word!r} is no step; write whole numbers, such as 400,2000")
    return [int(word) for word in words]
