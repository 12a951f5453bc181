"""The trigger: sparse rows for good, and the dense rows around each sharp drop of the loss, as an oscilloscope's."""

import math
import re
from collections import deque
from dataclasses import dataclass, fields
from numbers import Integral
from typing import TYPE_CHECKING, Any

from ...dynamics.errors import SettingError, unknown_name

if TYPE_CHECKING:
    import numpy as np

# Losses this small are zero; it keeps the logarithm of a loss of exactly zero finite.
_TINY = 1e-30
# How many standard errors of its own noise a fall has to reach before it is believed.
_CERTAINTY = 5.0
# With fewer losses in a window their scatter is not known well enough to tell a fall from it.
_SHORTEST_SPAN = 10


@dataclass(frozen=True)
class Trigger:
    """What attach(every=Trigger(…)) keeps: each *sparse*-th row, and the dense rows around each drop of the loss.

    before, after: how many steps before and after those at which a drop is noticed, which are the *span* or two after
    it began. drop: the fall of the smoothed loss, as a share of it, 0 to 1. span: over how many steps the loss is
    smoothed, and within about how many it has to fall; what falls more slowly is no drop, see :class:`DropDetector`.
    Raises SettingError for what cannot be used.
    """

    sparse: int = 100
    before: int = 500
    after: int = 500
    drop: float = 0.05
    span: int = 100

    def __post_init__(self) -> None:
        for name, least in (("sparse", 1), ("before", 0), ("after", 0), ("span", _SHORTEST_SPAN)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < least:
                raise SettingError(f"Trigger({name}={value!r}) is not a whole number of steps, {least} or more")
        if isinstance(self.drop, bool) or not isinstance(self.drop, int | float) or not 0 < self.drop < 1:
            raise SettingError(f"Trigger(drop={self.drop!r}) is not a share between 0 and 1; 0.05 is a fall by 5 %")

    def __str__(self) -> str:
        return (
            f"every {self.sparse} steps, and every step from {self.before} before to {self.after} after "
            f"a fall of the loss by {self.drop:.3g} within {self.span} steps"
        )

    def wants(self, step: int) -> bool:  # noqa: ARG002
        """Whether the row of *step* is taken: each is, since what follows decides whether it is kept."""
        return True

    def expected_rows(self, steps: int) -> int:
        """Return the rows of a training whose loss never drops; each drop adds before + after and a span or two."""
        return -(-steps // self.sparse) + 1


def parse_trigger(text: str) -> Trigger:
    """Read ``trigger`` or ``trigger:sparse=100,drop=0.05``; raises SettingError naming the text and the way out."""
    known = [field.name for field in fields(Trigger)]
    options: dict[str, Any] = {}
    for part in filter(None, text.partition(":")[2].split(",")):
        name, sign, value = (word.strip() for word in part.partition("="))
        if name not in known:
            raise unknown_name("option of the trigger", name, known)
        if not (sign and re.fullmatch(r"[0-9]{1,18}|[0-9]*\.[0-9]{1,18}|[0-9]{1,3}e-[0-9]{1,2}", value)):
            raise SettingError(
                f"every={text!r}: {part!r} gives {name} no number; write such as {name}={_default(name)}"
            )
        options[name] = int(value) if value.isdecimal() else float(value)
    return Trigger(**options)


def _default(name: str) -> Any:
    return getattr(Trigger(), name)


class DropDetector:
    """Notices a sudden fall of a noisy loss, in O(1) a step.

    With a, b and c the mean log losses of three adjacent windows of *span* steps, the latest last, a drop is noticed
    wherever

        (b − c) − |a − b| ≥ −log(1 − drop):

    the loss fell beyond what it had been changing by before. The left side must also be five standard errors or more,
    by the scatter within the windows. So noise is no drop, nor is a smooth decay, however steep, nor the return from a
    spike of a few steps. Nothing is noticed in the first 3 span steps; a drop is noticed at each step up to about
    2 span after it. A loss below zero falls where its magnitude grows. Losses that are not finite are left out.
    """

    def __init__(self, *, drop: float, span: int):
        # Less what rounding takes from a fall by exactly that share.
        self._fall = -math.log1p(-drop) - 1e-9
        self._span = span
        self._windows = (_Window(span), _Window(span), _Window(span))

    def update(self, loss: float) -> bool:
        """Take the loss of the next step; return whether a drop is noticed at it."""
        value = _log(loss)
        if not math.isfinite(value):
            return False
        latest, middle, oldest = self._windows
        for window in self._windows:
            left = window.push(value)
            if left is None:
                return False
            value = left
        fall = middle.mean - latest.mean - abs(oldest.mean - middle.mean)
        if fall < self._fall:
            return False
        scatter = (latest.variance + middle.variance + oldest.variance) / 3
        return fall >= _CERTAINTY * math.sqrt(2 * scatter / self._span)


class _Window:
    """The mean and the scatter of the last *span* values."""

    def __init__(self, span: int):
        self._span = span
        self._values: deque[float] = deque()
        self._sum = 0.0
        self._squares = 0.0

    def push(self, value: float) -> float | None:
        """Take a value in and return the one that leaves for it, None while there is room."""
        self._values.append(value)
        self._sum += value
        self._squares += value * value
        if len(self._values) <= self._span:
            return None
        left = self._values.popleft()
        self._sum -= left
        self._squares -= left * left
        return left

    @property
    def mean(self) -> float:
        return self._sum / self._span

    @property
    def variance(self) -> float:
        return max(0.0, (self._squares - self._sum * self._sum / self._span) / (self._span - 1))


def _log(loss: float) -> float:
    """Return log(1 + |loss|/tiny) with the sign of the loss, whose differences are relative; it takes any loss."""
    return math.copysign(math.log1p(abs(loss) / _TINY), loss)


class TriggerFilter:
    """Decides which rows a trigger keeps, as they come.

    Kept are the rows of the sparse steps, those within [t − before, t + after] of each step t at which a drop is
    noticed, and the last one. A row is held back while a drop may still be noticed within the next *before* steps, so
    that at most *before* rows wait, or just the latest.
    """

    def __init__(self, trigger: Trigger):
        self._trigger = trigger
        self._detector = DropDetector(drop=trigger.drop, span=trigger.span)
        self._waiting = 0
        self._keep_to = -1

    def split(self, steps: "np.ndarray", losses: "np.ndarray", *, final: bool = False) -> "tuple[np.ndarray, int]":
        """Return the indices of the rows to keep, and how many rows, from the first on, are decided.

        Rows that are not decided have to be offered again, first, with the rows that follow them; what is kept does
        not depend on how the rows are split into calls. *final* says that none follow: all are decided, and the
        last row, the final state, is kept.

        Shapes: steps (T,) increasing, losses (T,) with NaN where there is none -> (K,), a number up to T.
        """
        # Whoever only reads what a schedule is shall not wait for it.
        import numpy as np

        if not len(steps):
            return np.empty(0, np.intp), 0
        before, after = self._trigger.before, self._trigger.after
        keep = (steps % self._trigger.sparse == 0) | (steps <= self._keep_to)
        new = slice(self._waiting, None)
        for step, loss in zip(steps[new].tolist(), losses[new].tolist(), strict=True):
            if self._detector.update(loss):
                keep |= (steps >= step - before) & (steps <= step + after)
                self._keep_to = step + after
        if final:
            keep[-1] = True
            decided = len(steps)
        else:
            # The latest row may be the final one, whatever *before* is.
            open_rows = np.flatnonzero(~keep & (steps > steps[-1] - max(before, 1)))
            decided = int(open_rows[0]) if open_rows.size else len(steps)
        self._waiting = len(steps) - decided
        return np.flatnonzero(keep[:decided]), decided
