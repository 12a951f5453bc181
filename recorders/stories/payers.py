"""Who paid for each jump of a run, and for all of it."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from ...dynamics.errors import DynError
from ...dynamics.jumps import Jump
from ..reading.recording import Recording
from .attribution import AttributionRow, Payers
from .story import Story, tell

# A story that is told in passing takes no longer than so many rows are worth, some milliseconds each.
_MOST_ROWS = 2000

Progress = Callable[[Iterable[Any]], Iterable[Any]]


def attribute_run(
    recording: Recording, parameter: str | None = None, instance: int | None = None, *, progress: Progress = iter
) -> list[AttributionRow]:
    """Return who paid for each jump of a recording, and for the whole run as the last row.

    *progress* wraps the stretches. Raises what attribute() raises.
    """
    payers = Payers(recording, parameter, instance)
    stretches = [*_jumps(recording, parameter, instance), (None, None)]
    return [payers.between(*stretch) for stretch in progress(stretches)]


def attribute_jumps(
    recording: Recording, parameter: str | None = None, instance: int | None = None
) -> list[AttributionRow]:
    """Return who paid for each jump of a recording, or where nothing jumps for the whole run.

    Raises what attribute() raises.
    """
    payers = Payers(recording, parameter, instance)
    return [payers.between(*each) for each in _jumps(recording, parameter, instance) or [(None, None)]]


def _jumps(recording: Recording, parameter: str | None, instance: int | None) -> list[tuple[float, float]]:
    return [(jump.start, jump.end) for jump in tell(recording, parameter, instance).jumps]


def with_payers(recording: Recording, story: Story) -> Story:
    """Return the story with who paid for its jumps, where the loss is known and that is soon told."""
    if not story.jumps:
        return story
    paid: list[AttributionRow | None] = []
    with suppress(DynError):
        payers = Payers(recording, story.parameter, story.instance)
        paid = [_paid(payers, jump, left) for jump, left in _affordable(payers, story.jumps)]
    return replace(story, paid=paid)


def _affordable(payers: Payers, jumps: list[Jump]) -> list[tuple[Jump, bool]]:
    """Return the jumps, each with whether there is time for it; those that come first are served first."""
    step, left, found = payers.selection.step, _MOST_ROWS, []
    for jump in jumps:
        rows = int(np.diff(np.searchsorted(step, [jump.start, jump.end]))[0])
        found.append((jump, rows <= left))
        left -= rows if rows <= left else 0
    return found


def _paid(payers: Payers, jump: Jump, is_affordable: bool) -> AttributionRow | None:
    if not is_affordable:
        return None
    with suppress(DynError):
        return payers.between(jump.start, jump.end)
    return None
