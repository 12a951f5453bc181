"""Which steps of a training make a row, and when the row is filled and when it is complete."""

import os
import sys
import warnings
from collections.abc import Callable, Sequence
from enum import Enum, auto
from time import perf_counter
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from .rows import RowFiller
from .schedule import EveryNth, Schedule
from .start import Start
from .trigger import Trigger
from .writer import Writer, WriterLostError, take_over

_PRE_HOOK, _POST_HOOK = 0, 1


class Phase(Enum):
    """Where the training is: between steps, or in one that is recorded, or not, or belongs to the row before."""

    BETWEEN = auto()
    RECORDING = auto()
    SKIPPING = auto()
    JOINING = auto()


class Stepping:
    """The hooks of a recording: a row is filled before an optimizer's step and completed after it.

    How the recording ends is left to :class:`Recorder`. The two are one object, because one more call at each step
    would cost more than what it does.
    """

    def __init__(
        self, start: Start, filler: RowFiller, writer: Writer, optimizers: Sequence[Optimizer], schedule: Schedule
    ):
        self.path = start.path
        self._ring = start.ring
        self._filler = filler
        self._writer = writer
        self._schedule = schedule
        self._is_dense = isinstance(schedule, Trigger) or (isinstance(schedule, EveryNth) and schedule.every == 1)
        self._trigger = schedule if isinstance(schedule, Trigger) else None
        self._steps = start.step
        self._skipped = 0
        self._phase = Phase.BETWEEN
        # With several optimizers, those that have stepped since the row began.
        self._round: set[int] | None = set() if len(optimizers) > 1 else None
        self._recorded_last = False
        self._in_closure = False
        self._from_closure: list[str] = []
        self._open = True
        self._process = os.getpid()
        self._began = perf_counter() - start.seconds
        before, after = map(_uncompiled, (self._before_step, self._after_step))
        self._hooks = [
            (optimizer.register_step_pre_hook(before), optimizer.register_step_post_hook(after))
            for optimizer in optimizers
        ]

    def log(self, **scalars: float | Tensor) -> None:
        """Put numbers into the row of the step that is about to be taken; call it before ``optimizer.step()``.

        Within a step, from a closure, the first value given belongs to the row, since it was computed at the row's
        parameters. After the last step the numbers go into the final row. Tensors must have one element; those on a
        CUDA device are fetched when they are there, so nothing waits for them.
        Raises SettingError for a value that is no number.
        """
        if not self._open:
            return
        if not self._in_closure:
            for name, value in scalars.items():
                self._filler.log(name, value)
        elif self._phase in (Phase.RECORDING, Phase.JOINING):
            for name, value in scalars.items():
                # What a further evaluation gives belongs to other parameters, even where the first one gave NaN.
                if name not in self._from_closure:
                    self._filler.log_once(name, value)
                    self._from_closure.append(name)

    def step(self, **scalars: float | Tensor) -> None:
        """Take a row by hand, where no optimizer's hook does it; call it before the parameters are updated.

        For loops that update parameters themselves, and for CUDA graphs, whose replay runs no hook. The numbers are
        those of the row, as for :meth:`log`.
        """
        self.log(**scalars)
        if self._open and os.getpid() == self._process:
            self._begin_row(within=None)
            self._end_row(within=None)

    def _before_step(self, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not self._open or os.getpid() != self._process:
            # A forked child that trains on shares the ring with its parent, to whom the recording belongs.
            return None
        if self._round is None or self._begins_round(self._round, optimizer):
            self._begin_row(within=_PRE_HOOK)
        # The optimizer itself is the first argument, a closure the second.
        if len(args) > 1 and args[1] is not None:
            return (args[0], self._watched(args[1]), *args[2:]), kwargs
        if kwargs.get("closure") is not None:
            return args, {**kwargs, "closure": self._watched(kwargs["closure"])}
        return None

    def _begins_round(self, stepped: set[int], optimizer: Optimizer) -> bool:
        """Whether a step is the first of its row: the first of all, or one of an optimizer that stepped in this row."""
        is_first = not stepped or id(optimizer) in stepped
        if is_first:
            stepped.clear()
        else:
            self._join_row()
        stepped.add(id(optimizer))
        self._phase = Phase.BETWEEN if is_first else Phase.JOINING
        return is_first

    def _join_row(self) -> None:
        """Put what was logged since the round's row was completed into that row, if there is one."""
        if self._recorded_last:
            self._filler.amend()
        else:
            self._filler.forget()

    def _begin_row(self, *, within: int | None) -> None:
        try:
            if self._phase is not Phase.BETWEEN:
                self._recover()
            now = perf_counter()
            if not (self._is_dense or self._schedule.wants(self._steps)):
                self._leave_out()
            elif (self._filler.row >= self._writer.limit or now > self._writer.due) and not self._make_room():
                self._skipped += 1
                self._leave_out()
            else:
                self._phase = Phase.RECORDING
                self._filler.fill(self._steps, now - self._began)
        except Exception as error:
            self._fail(error, within=within)

    def _leave_out(self) -> None:
        self._phase = Phase.SKIPPING
        self._filler.forget()

    def _recover(self) -> None:
        """After a step that did not return: its row stands if it was completed, else what its closure logged goes."""
        is_complete = self._phase is Phase.RECORDING and self._filler.recover(self._steps)
        if not is_complete and self._from_closure:
            self._filler.forget(self._from_closure)
        self._from_closure.clear()
        self._steps += is_complete
        self._phase = Phase.BETWEEN

    def _watched(self, closure: Callable[[], Any]) -> Callable[[], Any]:
        """Return *closure* so that log() knows when it is called from within."""

        def watched() -> Any:
            self._in_closure = True
            try:
                return closure()
            finally:
                self._in_closure = False

        return watched

    def _after_step(self, *_: Any) -> None:
        if not self._open:
            self._detach(within=_POST_HOOK)
        else:
            self._end_row(within=_POST_HOOK)

    def _end_row(self, *, within: int | None) -> None:
        phase = self._phase
        if phase is Phase.RECORDING:
            try:
                self._filler.commit()
            except Exception as error:
                self._fail(error, within=within)
            except BaseException:
                # Before anything is logged for the next row.
                self._recover()
                self._filler.forget()
                raise
        if phase is not Phase.JOINING:
            self._steps += 1
            self._recorded_last = phase is Phase.RECORDING
        elif self._from_closure:
            self._join_row()
        self._phase = Phase.BETWEEN
        if self._from_closure:
            self._from_closure.clear()

    def _make_room(self) -> bool:
        try:
            return self._writer.make_room(self._filler.row)
        except WriterLostError as lost:
            self._writer = take_over(self._writer, self._ring, self.path, self._trigger)
            warnings.warn(
                f"{self.path}: {lost}; the training writes the recording itself", RuntimeWarning, stacklevel=5
            )
            return self._writer.make_room(self._filler.row)

    def _detach(self, *, within: int | None = None) -> None:
        """Take the hooks off; *within* one of them, as far as torch's loop over the hooks bears it.

        The hook in whose loop this runs stays, and does nothing. A pre-hook is taken off by the post-hook after it; a
        post-hook waits for close().
        """
        self._open = False
        for hooks in self._hooks:
            for k, hook in enumerate(hooks):
                if within is None or (within == _POST_HOOK and k == _PRE_HOOK):
                    hook.remove()

    def _fail(self, error: Exception, *, within: int | None = None) -> None:
        """End the recording, and let the training go on."""
        raise NotImplementedError

    # What torch.compiler.disable() sets: a compiled training step that meets the hooks calls them.
    for _hook in (_before_step, _after_step):
        _hook._torchdynamo_disable = True  # pyright: ignore[reportFunctionMemberAccess]


def _uncompiled(hook: Callable[..., Any]) -> Callable[..., Any]:
    """Return a hook that is not compiled, nor what it calls, where something is compiled; it costs a step 1 µs."""
    return torch.compiler.disable(hook) if "torch._dynamo" in sys.modules else hook
