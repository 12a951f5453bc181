"""The loss whose gradient some parameters hold, as it is kept from one backward pass to the next."""

import math
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from ..ring.layout import NAN, is_absent

Number = float | Tensor
Look = list[tuple[int, int] | None]

# So many of an optimizer's gradients are looked at before and after each backward pass, spread over all of them.
_WITNESSES = 8


class Account:
    """The loss whose gradient some parameters hold at present; NaN where it is not known.

    Gradients add up from one backward pass to the next, and so do the losses they belong to: it is the sum over the
    passes that reached the parameters since their gradients were cleared or a step was taken. Both are seen on a few
    gradients, the witnesses, by their identity and version. *passes* says which they were, by their first and last.
    """

    def __init__(self, parameters: Callable[[], Sequence[Tensor]]):
        self.loss: Number = NAN
        self.passes = 0, 0
        self.log: Callable[[Number], None] | None = None
        # What is to be told of each step, whether or not its loss is known.
        self.turn: Callable[[], None] | None = None
        self._parameters = parameters
        self._witnesses: list[Any] = []
        self._watch([p for p in parameters() if p.requires_grad])
        self._last: Look = []
        self._reached = False
        self._stepping = False

    @property
    def parameters(self) -> Sequence[Tensor]:
        """The parameters, those of them that are still there."""
        return self._parameters()

    def look(self) -> Look:
        """Return what a backward pass or a clearing changes."""
        return [None if (grad := p.grad) is None else (id(grad), grad._version) for p in self._witnesses]

    def add(self, loss: Number, before: Look, number: int) -> bool:
        """Take in a backward pass from *loss*, if it reached; *before* is what look() said ahead of it."""
        after = self.look()
        if after == before:
            return False
        grows = self._reached and before == self._last
        self._take(self.loss + loss if grows else loss, (self.passes[0] if grows else number, number), after)
        return True

    def add_unseen(self, loss: Number, number: int, reached: Sequence[Tensor]) -> None:
        """Take in a backward pass that has reached these parameters and no witness; one of them becomes a witness."""
        grows = self._reached and self.look() == self._last
        if len(self._witnesses) < 2 * _WITNESSES:
            self._witnesses += self._held(reached[:1])
        self.take(self.loss + loss if grows else loss, (self.passes[0] if grows else number, number))

    def take(self, loss: Number, passes: tuple[int, int]) -> None:
        """Say that the gradients are those of *loss*, which is the sum over the passes from the first to the last."""
        self._take(loss, passes, self.look())

    def _take(self, loss: Number, passes: tuple[int, int], look: Look) -> None:
        self.loss, self.passes, self._last, self._reached = loss, passes, look, True
        # Between steps the loss may yet grow or be cleared; from within one, a closure, it is now or never.
        if self._stepping:
            self.publish()

    def take_over(self, other: "Account") -> None:
        """Know what *other* knows of gradients that it has seen and that are still there."""
        if other._reached and other.look() == other._last:
            self.take(other.loss, other.passes)

    def begin_step(self, recent: Number) -> None:
        """Say that a step begins; *recent* is its loss where the witnesses have been blind."""
        if not self._reached:
            self.loss = recent if self._was_blind() else NAN
        self._reached, self._stepping = False, True

    def end_step(self) -> None:
        """Say that the step is over; what a closure has reached within it was for this step."""
        self._reached = self._stepping = False

    def publish(self) -> None:
        """Log the loss, if it is known and there is a log."""
        if self.log is not None and is_known(self.loss):
            self.log(self.loss)

    def _was_blind(self) -> bool:
        """Return whether others than the witnesses have gradients, and take the witnesses from those."""
        if any(self.look()):
            return False
        moved = [p for p in self.parameters if p.grad is not None]
        if moved:
            self._watch(moved)
        return bool(moved)

    def _watch(self, parameters: Sequence[Tensor]) -> None:
        self._witnesses = self._held(parameters[:: -(-len(parameters) // _WITNESSES) or 1])

    def _held(self, parameters: Sequence[Tensor]) -> list[Any]:
        """Return the parameters as witnesses are kept; those of an optimizer live as long as it does."""
        return list(parameters)


class LooseAccount(Account):
    """An account of parameters that no optimizer holds: the script alone decides how long they live."""

    def look(self) -> Look:
        """Return what a backward pass or a clearing changes."""
        grads = [None if (p := reference()) is None else p.grad for reference in self._witnesses]
        return [None if grad is None else (id(grad), grad._version) for grad in grads]

    def _held(self, parameters: Sequence[Tensor]) -> list[Any]:
        return [weakref.ref(p) for p in parameters]


def is_known(loss: Number) -> bool:
    """Return whether a loss could be read; a loss of NaN could."""
    return isinstance(loss, Tensor) or not (math.isnan(loss) and is_absent(np.asarray(loss)))
