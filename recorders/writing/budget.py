"""How much a recording may take: which steps make a row then, and whether parameters are kept whole or as summaries."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

from ...dynamics.errors import SettingError
from ..file.creation import file_bytes
from ..ring.channels import Channel, row_bytes
from ..schedule.steps import parse_schedule
from ..text import readable

# Whole parameters cost a training little while a row has so many bytes.
CHEAP = 2**22
# A run of fewer rows does not say when something happened; then summaries, in more rows, say more.
FEWEST_ROWS = 200
_UNITS = {"": 1, "B": 1, **{f"{prefix}B": 1000**k for k, prefix in enumerate("kMGT", 1)}}
_UNITS |= {f"{prefix}iB": 1024**k for k, prefix in enumerate("KMGT", 1)}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*")


@dataclass(frozen=True)
class Choice:
    """Which steps make a row, whether of summaries, and why in words, empty where nothing was left to choose."""

    every: Any
    with_summaries: bool
    words: str = ""


@dataclass(frozen=True)
class Asked:
    """What attach() was asked for, and the bytes that checkpoints take in so many steps."""

    every: Any
    summaries: bool | str | None
    budget: str | int | None
    steps: int | None
    checkpoints: Callable[[int], int] = lambda _: 0

    def choose(self, channels: Callable[[bool], Sequence[Channel]]) -> Choice:
        """Return what is recorded; *channels* gives those of whole parameters, or those of summaries.

        Raises SettingError for arguments that do not go together, and a budget in which there is no room.
        """
        check_budget(self.budget, self.steps, self.every)
        if self.budget is not None and self.steps is not None:
            return self._within(parse_bytes(self.budget), self.steps, channels)
        if self.summaries != "auto":
            return Choice(self.every, bool(self.summaries))
        size = row_bytes(channels(False))
        if size <= CHEAP:
            return Choice(self.every, False, f"whole parameters, {readable(size)} a row")
        try:
            less = row_bytes(channels(True))
        except SettingError:
            # Of an ensemble, and of shards, there are none.
            return Choice(self.every, False, f"whole parameters, {readable(size)} a row")
        words = f"summaries, {readable(less)} a row; whole parameters would take {readable(size)} (summaries=False)"
        return Choice(self.every, True, words)

    def _within(self, budget: int, steps: int, channels: Callable[[bool], Sequence[Channel]]) -> Choice:
        checkpoints = self.checkpoints(steps)
        kinds = [False, True] if self.summaries in (None, "auto") else [bool(self.summaries)]
        choices, least = list[Choice](), list[int]()
        for with_summaries in kinds:
            try:
                kept = channels(with_summaries)
            except SettingError:
                # Of an ensemble, and of shards, there are no summaries.
                if len(kinds) == 1 or not with_summaries:
                    raise
                continue
            choices += _chosen(kept, budget - checkpoints, steps, budget, with_summaries=with_summaries)
            least.append(file_bytes(kept, 2) + checkpoints)
            if choices and (choices[0].every == 1 or _rows(choices[0].every, steps) >= FEWEST_ROWS):
                break
        if not choices:
            raise SettingError(
                f"budget={readable(budget)!r} has no room for the first and the last row, which take "
                f"{readable(min(least))}; give more, or select fewer parameters"
            )
        return min(choices, key=lambda choice: choice.every)


def parse_bytes(size: str | int) -> int:
    """Return how many bytes "2 GB", "500 MB", "1.5 GiB" or a number are; raises SettingError for anything else."""
    match = _SIZE.fullmatch(str(size)) if isinstance(size, str | int) and not isinstance(size, bool) else None
    unit = None if match is None else next((u for u in _UNITS if u.lower() == match[2].lower()), None)
    if match is None or unit is None or float(match[1]) <= 0:
        raise SettingError(f"budget={size!r} is no size; write it as '2 GB', '500 MB' or a number of bytes")
    return int(float(match[1]) * _UNITS[unit])


def check_budget(budget: Any, steps: Any, every: Any) -> None:
    """Raise SettingError where a budget lacks what it is for, or leaves nothing to choose."""
    if budget is None and steps is None:
        return
    if budget is None:
        raise SettingError(
            f"steps={steps!r} says how long a budget has to last; give budget='2 GB' too, or leave it out"
        )
    if steps is None:
        raise SettingError(f"budget={budget!r} is divided among the steps of the training; give steps=N too")
    if not isinstance(steps, Integral) or isinstance(steps, bool) or steps < 1:
        raise SettingError(f"steps={steps!r} is no whole number of steps, 1 or more")
    parse_bytes(budget)
    if every != 1:
        raise SettingError(f"budget={budget!r} chooses every, and every={every!r} is given; leave one of them out")


def least_every(budget: int, steps: int, size: Callable[[int], int]) -> int | None:
    """Return the least N of which every N-th step takes at most *budget* bytes; None where not even both ends do.

    *size* gives the bytes of a recording of every N-th step.
    """
    low, high = 1, max(1, steps)
    if size(high) > budget:
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if size(middle) <= budget else (middle + 1, high)
    return low


def _rows(every: int, steps: int) -> int:
    return parse_schedule(every).expected_rows(steps)


def _chosen(channels: Sequence[Channel], left: int, steps: int, budget: int, *, with_summaries: bool) -> list[Choice]:
    """Return the choice of the most rows that have room, if any."""
    every = least_every(left, steps, lambda every: file_bytes(channels, _rows(every, steps)))
    if every is None:
        return []
    what, rows = "summaries" if with_summaries else "whole parameters", _rows(every, steps)
    pace = "every step" if every == 1 else f"every {every:,} steps"
    total = readable(file_bytes(channels, rows))
    words = f"{what}, {pace}: {rows:,} rows of {readable(row_bytes(channels))}, {total} of {readable(budget)}"
    return [Choice(every, with_summaries, words)]
