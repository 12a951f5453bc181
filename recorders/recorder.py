"""Recorder: a recording under way, from the optimizers' hooks to the ring."""

import atexit
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import Enum, auto
from time import perf_counter, sleep
from types import TracebackType
from typing import Any, Literal, Self

from torch import Tensor
from torch.optim import Optimizer

from ..dynamics.errors import RecordingError, SettingError
from .drain import Derivation
from .ring import State
from .rows import RowFiller
from .schedule import EveryNth, Schedule
from .start import Start
from .trigger import Trigger
from .writer import InlineWriter, Writer, WriterLostError, take_over

_PRE_HOOK, _POST_HOOK = 0, 1
# How often the end of a training that waits for no writer looks whether there is room for the final row, in seconds.
_PAUSE = 0.0002


class _Phase(Enum):
    """Where the training is: between steps, or in one that is recorded, or not, or belongs to the row before."""

    BETWEEN = auto()
    RECORDING = auto()
    SKIPPING = auto()
    JOINING = auto()


class Recorder:
    """A recording under way; made by :func:`dyn.attach`.

    Use it in a ``with`` block, or call :meth:`close`. Closing, or a failure of the recording, takes the hooks off and
    leaves no trace on model or optimizer.
    """

    def __init__(
        self,
        start: Start,
        filler: RowFiller,
        writer: Writer,
        optimizers: Sequence[Optimizer],
        schedule: Schedule,
        *,
        bytes_per_row: int,
        on_error: Literal["warn", "raise"],
    ):
        self.path = start.path
        self.bytes_per_row = bytes_per_row
        self._ring = start.ring
        self._filler = filler
        self._writer = writer
        self._schedule = schedule
        self._is_dense = isinstance(schedule, Trigger) or (isinstance(schedule, EveryNth) and schedule.every == 1)
        self._trigger = schedule if isinstance(schedule, Trigger) else None
        self._on_error = on_error
        self._steps = start.step
        self._skipped = 0
        self._phase = _Phase.BETWEEN
        # With several optimizers, those that have stepped since the row began.
        self._round: set[int] | None = set() if len(optimizers) > 1 else None
        self._recorded_last = False
        self._in_closure = False
        self._from_closure: list[str] = []
        self._open = True
        self._process = os.getpid()
        self._began = perf_counter() - start.seconds
        self._hooks = [
            (optimizer.register_step_pre_hook(self._before_step), optimizer.register_step_post_hook(self._after_step))
            for optimizer in optimizers
        ]
        atexit.register(self._at_exit)

    def __repr__(self) -> str:
        state = "open" if self._open else "closed"
        return f"Recorder({str(self.path)!r}, {self._steps} steps, {self.bytes_per_row} bytes a row, {state})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        left_in_order = kind is None or (isinstance(error, SystemExit) and not error.code)
        self._close(State.COMPLETE if left_in_order else State.ABORTED)

    @property
    def waited(self) -> float:
        """Seconds that the training has waited for the writer."""
        return self._writer.waited

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
        elif self._phase in (_Phase.RECORDING, _Phase.JOINING):
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

    def derive(self, derivation: Derivation, **attributes: str) -> None:
        """Record a quantity computed from the recorded parameters, in batches, when rows are written.

        *derivation* takes {parameter name: array (T, *shape)} and returns {name: array (T,) or (T, ...)}: a number a
        row becomes a scalar, more become a probe. The attributes are kept with the dataset. Call it before the first
        step. Raises SettingError for a name that is taken, and beside a writer process, which cannot call it.
        """
        if not isinstance(self._writer, InlineWriter):
            raise SettingError("derive() computes in the training's own process; use attach(writer='inline')")
        if self._open and os.getpid() == self._process:
            # The sample takes the slot of the row that is next.
            self._make_room()
            self._writer.derive(derivation, self._filler.present_parameters(), attributes)

    def close(self) -> None:
        """Add the final row, write everything, close the file and take the hooks off; calling it again does nothing."""
        self._close(State.COMPLETE)

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
        self._phase = _Phase.BETWEEN if is_first else _Phase.JOINING
        return is_first

    def _join_row(self) -> None:
        """Put what was logged since the round's row was completed into that row, if there is one."""
        if self._recorded_last:
            self._filler.amend()
        else:
            self._filler.forget()

    def _begin_row(self, *, within: int | None) -> None:
        try:
            if self._phase is not _Phase.BETWEEN:
                self._recover()
            now = perf_counter()
            if not (self._is_dense or self._schedule.wants(self._steps)):
                self._leave_out()
            elif (self._filler.row >= self._writer.limit or now > self._writer.due) and not self._make_room():
                self._skipped += 1
                self._leave_out()
            else:
                self._phase = _Phase.RECORDING
                self._filler.fill(self._steps, now - self._began)
        except Exception as error:
            self._fail(error, within=within)

    def _leave_out(self) -> None:
        self._phase = _Phase.SKIPPING
        self._filler.forget()

    def _recover(self) -> None:
        """After a step that did not return: its row stands if it was completed, else what its closure logged goes."""
        is_complete = self._phase is _Phase.RECORDING and self._filler.recover(self._steps)
        if not is_complete and self._from_closure:
            self._filler.forget(self._from_closure)
        self._from_closure.clear()
        self._steps += is_complete
        self._phase = _Phase.BETWEEN

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
        elif os.getpid() == self._process:
            self._end_row(within=_POST_HOOK)

    def _end_row(self, *, within: int | None) -> None:
        phase = self._phase
        if phase is _Phase.RECORDING:
            try:
                self._filler.commit()
            except Exception as error:
                self._fail(error, within=within)
            except BaseException:
                # Before anything is logged for the next row.
                self._recover()
                self._filler.forget()
                raise
        if phase is not _Phase.JOINING:
            self._steps += 1
            self._recorded_last = phase is _Phase.RECORDING
        elif self._from_closure:
            self._join_row()
        self._phase = _Phase.BETWEEN
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

    def _close(self, state: State) -> None:
        if not self._open or os.getpid() != self._process:
            self._detach()
            return
        try:
            if self._phase is not _Phase.BETWEEN:
                # A step was interrupted: what was logged for it belongs to parameters that may be gone.
                self._recover()
                self._filler.forget()
            # A close that was interrupted may have got this far.
            if not self._filler.recover(self._steps):
                self._add_final_row()
            self._finish(state)
        except Exception as error:
            self._fail(error)
        else:
            self._detach()

    def _add_final_row(self) -> None:
        self._filler.settle()
        while not self._make_room():
            sleep(_PAUSE)
        self._ring.announce_final(self._filler.row)
        self._filler.fill(self._steps, perf_counter() - self._began)
        self._filler.commit()

    def _finish(self, state: State) -> None:
        """Have the rows written and the file closed; the ring has done its duty then."""
        self._filler.settle()
        self._ring.note(waited=self._writer.waited, skipped=self._skipped)
        self._ring.state = state
        try:
            self._writer.close()
        except WriterLostError:
            self._writer = take_over(self._writer, self._ring, self.path, self._trigger)
            self._writer.close()
        self._ring.remove()

    def _fail(self, error: Exception, *, within: int | None = None) -> None:
        """End the recording, keep what is written readable, and let the training go on unless told otherwise."""
        self._detach(within=within)
        if os.getpid() != self._process:
            return
        try:
            # What was complete may still be written.
            self._finish(State.ABORTED)
        except Exception:
            # The rows that could not be written stay in the ring, where readers find them.
            with suppress(Exception):
                self._writer.abandon()
            self._ring.release()
        # What HDF5 says has lines.
        reason = " ".join(str(error).split())
        message = f"the recording {self.path} ended after {self._filler.complete} rows: {reason}"
        if self._on_error == "raise":
            raise RecordingError(message) from error
        warnings.warn(f"{message}; the training goes on", RuntimeWarning, stacklevel=5)

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
        atexit.unregister(self._at_exit)

    def _at_exit(self) -> None:
        # The interpreter remembers the exception that ended it; an interactive one remembers each that was shown.
        failed = getattr(sys, "last_value", None) is not None and not hasattr(sys, "ps1")
        self._close(State.ABORTED if failed else State.COMPLETE)

    # torch.compile of a training step shall call the hooks, not compile them; its decorator would cost each step.
    for _hook in (_before_step, _after_step):
        _hook._torchdynamo_disable = True  # pyright: ignore[reportFunctionMemberAccess]
