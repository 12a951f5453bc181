"""Which steps are recorded: every N-th, log-spaced ones, those of windows, or what a trigger keeps."""

import math
import re
from collections.abc import Sequence
from numbers import Integral
from typing import Any, Protocol

from ...dynamics.errors import SettingError
from .trigger import Trigger, parse_trigger

_PER_DECADE = 100
_WHOLE = re.compile(r"[0-9]{1,18}")
_WAYS = 'a whole number of steps, 1 or more, "log", "log:K", a list of windows (start, stop, every), or a Trigger'
_WAYS_IN_WORDS = "N, log, log:K, START:STOP:EVERY,…, trigger, or trigger:sparse=100,drop=0.05"


class Schedule(Protocol):
    """Says of each step whether its row is taken; str() describes it in a message."""

    def wants(self, step: int) -> bool:
        """Whether the row of *step* is taken, steps counted from 0; cheapest when asked for one step after another."""
        ...

    def expected_rows(self, steps: int) -> int:
        """Return how many rows a training of *steps* steps leaves, the final one included."""
        ...


class EveryNth:
    """Steps 0, N, 2N, …"""

    def __init__(self, every: int):
        self.every = every

    def __str__(self) -> str:
        return _pace(self.every)

    def wants(self, step: int) -> bool:
        """Whether N divides *step*."""
        return step % self.every == 0

    def expected_rows(self, steps: int) -> int:
        """Return ceil(steps / N) + 1."""
        return -(-steps // self.every) + 1


class LogSpaced:
    """Step 0 and the distinct round(10^(j/K)), j = 0, 1, …: every step at first, then K a decade."""

    def __init__(self, per_decade: int):
        self.per_decade = per_decade
        # From this j on 10^(j/K) grows by one step or more, so that no two are rounded to the same; before it by less,
        # so that none is left out.
        self._first_spaced = max(0, math.ceil(-per_decade * math.log10(math.expm1(math.log(10) / per_decade))))
        self._dense_to = round(10 ** (self._first_spaced / per_decade))
        self._asked = 0
        self._next = 0

    def __str__(self) -> str:
        dense = f"every step up to {self._dense_to}, then " if self._dense_to > 1 else ""
        return f"{dense}{self.per_decade} steps a decade"

    def wants(self, step: int) -> bool:
        """Whether *step* is one of them."""
        if not self._asked <= step <= self._next:
            self._asked, self._next = step, self._wanted_from(step)
        return step == self._next

    def expected_rows(self, steps: int) -> int:
        """Return how many of them are below *steps*, and the final row."""
        if steps <= self._dense_to:
            return steps + 1
        spaced = max(self._first_spaced, math.ceil(self.per_decade * math.log10(steps - 0.5)) - 1)
        return self._dense_to + 1 + spaced - self._first_spaced + 1

    def _wanted_from(self, step: int) -> int:
        """Return the first recorded step that is not before *step*."""
        if step <= self._dense_to:
            return step
        return round(10 ** (math.ceil(self.per_decade * math.log10(step - 0.5)) / self.per_decade))


class Windows:
    """The steps of range(start, stop, every) for each window, in order; stop None is for ever."""

    def __init__(self, windows: Sequence[tuple[int, int | None, int]]):
        self.windows = tuple(windows)
        self._enter(0)

    def __str__(self) -> str:
        return "; ".join(
            f"{_pace(every)} from {start} {'on' if stop is None else f'to {stop - 1}'}"
            for start, stop, every in self.windows
        )

    def wants(self, step: int) -> bool:
        """Whether *step* lies in a window, a multiple of its every after its start."""
        if not self._from <= step < self._to:
            self._enter(step)
        return self._every is not None and (step - self._from) % self._every == 0

    def expected_rows(self, steps: int) -> int:
        """Return how many of them are below *steps*, and the final row."""
        return 1 + sum(
            len(range(start, steps if stop is None else min(stop, steps), every)) for start, stop, every in self.windows
        )

    def _enter(self, step: int) -> None:
        """Note the window that *step* lies in, or the gap, which has no every."""
        self._from, self._to, self._every = 0, math.inf, None
        for start, stop, every in self.windows:
            if step < start:
                self._to = start
                return
            if stop is None or step < stop:
                self._from, self._to, self._every = start, math.inf if stop is None else stop, every
                return
            self._from = stop


def parse_schedule(every: Any) -> Schedule:
    """Return the schedule that attach(every=…) asks for.

    every: N records each N-th step. "log" or "log:K" records step 0 and the distinct round(10^(j/K)), K = 100 unless
    given. [(start, stop, every), …] are windows, half open, in order; between them nothing is recorded, and a stop of
    None is for ever. A Trigger keeps sparse rows, and the dense rows around each sharp drop of the loss.
    Raises SettingError for anything else.
    """
    if isinstance(every, Trigger):
        return every
    if _is_whole(every, least=1):
        return EveryNth(int(every))
    if isinstance(every, str) and (every == "log" or every.startswith("log:")):
        return LogSpaced(_per_decade(every))
    if isinstance(every, Sequence) and not isinstance(every, str | bytes):
        return Windows(_checked_windows(every))
    raise SettingError(f"every={every!r} is not {_WAYS}")


def parse_every(text: str) -> Any:
    """Read what the command line says of *every* and return it as attach() takes it.

    "10", "log", "log:50", "0:1000:1,1000::50" (an empty stop is for ever), "trigger", "trigger:sparse=100,drop=0.05".
    Raises SettingError naming the text and the way out.
    """
    text = text.strip()
    value: Any = text
    if _WHOLE.fullmatch(text):
        value = int(text)
    elif text == "trigger" or text.startswith("trigger:"):
        value = parse_trigger(text)
    elif ":" in text and not text.startswith("log:"):
        value = [_parse_window(part, text) for part in text.split(",")]
    elif text != "log" and not text.startswith("log:"):
        raise SettingError(f"every={text!r} is none of {_WAYS_IN_WORDS}")
    parse_schedule(value)
    return value


def _parse_window(part: str, text: str) -> tuple[int, int | None, int]:
    start, stop, every = (*part.strip().split(":"), "", "")[:3] if part.count(":") == 2 else ("", "", "")
    if not (_WHOLE.fullmatch(start) and _WHOLE.fullmatch(every) and (_WHOLE.fullmatch(stop) or not stop)):
        raise SettingError(f"every={text!r}: {part.strip()!r} is not START:STOP:EVERY, such as 0:1000:1 or 1000::50")
    return int(start), int(stop) if stop else None, int(every)


def _per_decade(text: str) -> int:
    _, colon, count = text.partition(":")
    if colon and not (_WHOLE.fullmatch(count) and int(count) >= 1):
        raise SettingError(f'every={text!r} has no whole number of steps a decade; write "log" or "log:K", K 1 or more')
    return int(count) if colon else _PER_DECADE


def _checked_windows(windows: Sequence[Any]) -> list[tuple[int, int | None, int]]:
    if not windows:
        raise SettingError(f"every={windows!r} holds no window; write [(start, stop, every), …]")
    checked: list[tuple[int, int | None, int]] = []
    for window in windows:
        start, stop, every = _checked_window(window, windows)
        if checked and (checked[-1][1] is None or start < checked[-1][1]):
            raise SettingError(
                f"every={windows!r}: the window {window!r} begins before {checked[-1]!r} ends; "
                "put them in order, and stop one where the next begins"
            )
        checked.append((start, stop, every))
    return checked


def _checked_window(window: Any, windows: Sequence[Any]) -> tuple[int, int | None, int]:
    is_triple = isinstance(window, Sequence) and not isinstance(window, str | bytes) and len(window) == 3
    if not is_triple:
        raise SettingError(f"every={windows!r}: {window!r} is no window (start, stop, every); write a list of them")
    start, stop, every = window
    if not _is_whole(start, least=0):
        raise SettingError(f"every={windows!r}: the window {window!r} starts at no whole number of steps, 0 or more")
    if stop is not None and not _is_whole(stop, least=int(start) + 1):
        raise SettingError(
            f"every={windows!r}: the window {window!r} stops at no step after its start; None is for ever"
        )
    if not _is_whole(every, least=1):
        raise SettingError(
            f"every={windows!r}: the window {window!r} has no whole number of steps, 1 or more, as every"
        )
    return int(start), None if stop is None else int(stop), int(every)


def _is_whole(value: Any, *, least: int) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least


def _pace(every: int) -> str:
    return "every step" if every == 1 else f"every {every} steps"
