"""Recorder: a recording under way, and how it ends."""

import atexit
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from time import perf_counter, sleep
from types import TracebackType
from typing import Any, Literal, Self
from weakref import WeakSet

from torch import Tensor
from torch.optim import Optimizer

from ...dynamics.errors import RecordingError, SettingError
from ..model.constants import Constants
from ..ring.channels import CHANGED
from ..ring.ring import State
from ..schedule.steps import Schedule
from ..writing.drain import Derivation
from ..writing.start import Start
from ..writing.writer import InlineWriter, Writer, WriterLostError, take_over
from .compiling import set_apart
from .gaps import Gaps
from .row import Copies
from .state import Phase
from .stepping import StateKeeper, Stepping

# So many constants that change are noted by name.
_MOST_CHANGED = 8
# How often the end of a training that waits for no writer looks whether there is room for the final row, in seconds.
_PAUSE = 0.0002


class Recorder(Stepping):
    """A recording under way; made by :func:`dyn.attach`.

    Use it in a ``with`` block, or call :meth:`close`. Closing, or a failure of the recording, takes the hooks off and
    leaves no trace on model or optimizer.
    """

    __slots__ = ("_constants", "_gaps", "_is_entered", "_on_error", "bytes_per_row", "chosen")

    def __init__(
        self,
        start: Start,
        copies: Copies,
        writer: Writer,
        optimizers: Sequence[Optimizer],
        schedule: Schedule,
        gaps: Gaps,
        constants: Constants,
        keeper: StateKeeper | None = None,
        *,
        bytes_per_row: int,
        on_error: Literal["warn", "raise"],
        chosen: str = "",
    ):
        super().__init__(start, copies, writer, optimizers, schedule, keeper)
        self.bytes_per_row = bytes_per_row
        # What was chosen of a budget, or between whole parameters and summaries, in words.
        self.chosen = chosen
        self._on_error = on_error
        self._gaps = gaps
        self._constants = constants
        self._is_entered = False
        gaps.begin(self.path, self._steps_between, self._records)
        _UNDER_WAY.add(self)
        atexit.register(self._at_exit)

    def __repr__(self) -> str:
        state = "open" if self._open else "closed"
        return f"Recorder({str(self.path)!r}, {self._steps} steps, {self.bytes_per_row} bytes a row, {state})"

    def __enter__(self) -> Self:
        self._is_entered = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._is_entered = False
        left_in_order = kind is None or (isinstance(error, SystemExit) and not error.code)
        self._close(State.COMPLETE if left_in_order else State.ABORTED)

    @property
    def waited(self) -> float:
        """Seconds that the training has waited for the writer."""
        return self._writer.waited

    def step(self, **scalars: float | Tensor) -> None:
        """Take a row by hand, where no optimizer's hook does it; call it before the parameters are updated.

        For loops that update parameters themselves, and for CUDA graphs, whose replay runs no hook. The numbers are
        those of the row, as for :meth:`log`.
        """
        self.log(**scalars)
        self._gaps.by_hand()
        if self._open:
            self._begin_row(within=None)
            self._after_step(within=None)

    def begin(self) -> None:
        """Fill the next row with the present state, where only later is known that it makes one; see :meth:`complete`.

        Beginning anew fills it again, and closing leaves it out.
        """
        if self._open:
            self._begin_row(within=None)

    def complete(self, **scalars: float | Tensor) -> None:
        """Make a row of what :meth:`begin` has filled, with these numbers."""
        if self._phase is Phase.RECORDING:
            self.log(**scalars)
        if self._open:
            self._after_step(within=None)

    def derive(self, derivation: Derivation, **attributes: str) -> None:
        """Record a quantity computed from the recorded parameters, in batches, when rows are written.

        *derivation* takes {parameter name: array (T, *shape)} and returns {name: array (T,) or (T, ...)}: a number a
        row becomes a scalar, more become a probe. The attributes are kept with the dataset. Call it before the first
        step. Raises SettingError for a name that is taken, and beside a writer process, which cannot call it.
        """
        if not isinstance(self._writer, InlineWriter):
            raise SettingError("derive() computes in the training's own process; use attach(writer='inline')")
        if self._open:
            # The sample takes the slot of the row that is next.
            self._make_room()
            self._writer.derive(derivation, self._present_parameters(), attributes)

    def keep(self, *more: Any) -> Self:
        """Keep in the checkpoints the states of *more* too: schedulers, a GradScaler, loaders, random generators.

        It takes whatever has state_dict() and load_state_dict(), and generators of torch, NumPy and Python. Those of a
        generator or a loader are taken when the step before a checkpoint has been made, before anything else is drawn;
        the others when its own begins. Call it before the first step, and give the same to ``resume_into()``.
        Raises SettingError for what has no state that can be kept, and without attach(checkpoint_every=K).
        """
        if self._keeper is None:
            raise SettingError("keep() says what checkpoints have, and none are kept; use attach(checkpoint_every=K)")
        self._keeper.add(more)
        return self

    def find_more(self, more: Callable[[], Iterable[Any]]) -> None:
        """Ask *more* before each checkpoint for what else to keep, as where a script says nothing of it itself."""
        if self._keeper is not None:
            self._keeper.find(more)

    def count_from(self, step: int) -> Self:
        """Number the steps from *step* on, in a new recording of a training that goes on; before its first step.

        Raises SettingError for what is no step, and when one was made already.
        """
        if not isinstance(step, int) or step < 0 or self._row or self._phase is not Phase.BETWEEN:
            raise SettingError(f"count_from({step!r}): it takes a step, 0 or more, before the first one is made")
        self._steps = step
        if self._keeper is not None:
            self._keeper.begin_at(step)
        return self

    def _steps_between(self) -> int | None:
        """Return how many steps were taken, None while one is under way or when the recording has ended."""
        return self._steps if self._open and self._phase is Phase.BETWEEN else None

    def _records(self, optimizer: Optimizer) -> bool:
        return self._before_step in optimizer._optimizer_step_pre_hooks.values()

    def close(self) -> None:
        """Add the final row, write everything, close the file and take the hooks off; calling it again does nothing."""
        self._close(State.COMPLETE)

    def _close(self, state: State) -> None:
        if not self._open:
            self._detach()
            return
        try:
            if self._phase is not Phase.BETWEEN:
                # A step was interrupted: what was logged for it belongs to parameters that may be gone.
                self._recover()
                self._forget()
            self._gaps.conclude()
            # A close that was interrupted may have got this far.
            if not self._recover_row(self._steps):
                self._add_final_row()
            self._keep_last(state)
            self._finish(state)
        except Exception as error:
            self._fail(error)
        else:
            self._detach()
            self._gaps.tell_the_rest()

    def _add_final_row(self) -> None:
        self._settle()
        while not self._make_room():
            sleep(_PAUSE)
        self._note_changes(at_end=True)
        self._ring.announce_final(self._row)
        self._fill(self._steps, perf_counter() - self._began)
        self._commit()

    def _keep_last(self, state: State) -> None:
        """Keep the checkpoint that a longer training goes on from; what an exception leaves is none."""
        if self._keeper is not None and state is State.COMPLETE:
            self._keeper.at_end(self._steps, self._optimizers)

    def _finish(self, state: State) -> None:
        """Have the rows written and the file closed; the ring has done its duty then."""
        self._settle()
        self._ring.note(waited=self._writer.waited, skipped=self._skipped)
        self._ring.state = state
        try:
            self._writer.close()
        except WriterLostError:
            self._writer = take_over(self._writer, self._ring, self.path, self._trigger)
            self._writer.close()
        self._ring.remove()

    @set_apart
    def _fail(self, error: Exception, *, within: int | None = None) -> None:
        """End the recording, keep what is written readable, and let the training go on unless told otherwise."""
        self._detach(within=within)
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
        message = f"the recording {self.path} ended after {self._complete} rows: {reason}"
        if self._on_error == "raise":
            raise RecordingError(message) from error
        warnings.warn(f"{message}; the training goes on", RuntimeWarning, stacklevel=5)

    def _make_room(self) -> bool:
        self._gaps.look()
        has_room = super()._make_room()
        self._note_changes()
        return has_room

    def _note_changes(self, *, at_end: bool = False) -> None:
        """Note in the next row what was kept once and has changed, and tell of it."""
        changed = self._constants.look(self._steps, at_end=at_end)
        for k, (name, step) in enumerate(changed.items()):
            # There is room for some of them only; what stands for all of them says enough.
            with suppress(SettingError):
                self._log_once(f"{CHANGED}/{name if k < _MOST_CHANGED else '*'}", step)
        if changed:
            self._gaps.tell_changed([*changed])

    def _detach(self, *, within: int | None = None) -> None:
        super()._detach(within=within)
        self._gaps.end()
        if self._keeper is not None:
            self._keeper.close()
        _UNDER_WAY.discard(self)
        atexit.unregister(self._at_exit)

    def _at_exit(self) -> None:
        # The interpreter remembers the exception that ended it; an interactive one remembers each that was shown.
        failed = getattr(sys, "last_value", None) is not None and not hasattr(sys, "ps1")
        self._close(State.ABORTED if failed else State.COMPLETE)


# Those that were not closed, among which a lost one is found.
_UNDER_WAY: WeakSet[Recorder] = WeakSet()


def lost_recorder(path: Path) -> Recorder | None:
    """Return the recorder that this process made for the file at *path* and has not closed, if there is one.

    One in whose ``with`` block the process still is was not lost.
    """
    for recorder in tuple(_UNDER_WAY):
        with suppress(OSError):
            if recorder._open and not recorder._is_entered and (path == recorder.path or path.samefile(recorder.path)):
                return recorder
    return None


def close_lost(recorder: Recorder) -> None:
    """Close a recording as aborted, because this process begins another one in its place or goes on with it."""
    with suppress(RecordingError):
        recorder._close(State.ABORTED)
    warnings.warn(
        f"{recorder.path} was still being recorded by a recorder of this process that nobody has closed; it is closed "
        f"now, as aborted, at step {recorder._steps}",
        UserWarning,
        stacklevel=5,
    )


class SilentRecorder(Recorder):
    """What attach() returns on a rank that leaves the recording to another one; it does nothing.

    Its path is that of the recording.
    """

    def __init__(self, path: Path):
        self.path = path
        self.bytes_per_row = 0
        self.chosen = ""

    def __repr__(self) -> str:
        return f"SilentRecorder({str(self.path)!r}, recorded by rank 0)"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass

    @property
    def waited(self) -> float:
        """Seconds that the training has waited for the writer: none."""
        return 0.0

    def log(self, **scalars: float | Tensor) -> None:
        """Do nothing."""

    def step(self, **scalars: float | Tensor) -> None:
        """Do nothing."""

    def begin(self) -> None:
        """Do nothing."""

    def complete(self, **scalars: float | Tensor) -> None:
        """Do nothing."""

    def follow(self, optimizer: Optimizer, *, instead_of: Sequence[Optimizer] = ()) -> None:
        """Do nothing."""

    def derive(self, derivation: Derivation, **attributes: str) -> None:
        """Do nothing."""

    def keep(self, *more: Any) -> Self:  # noqa: ARG002
        """Do nothing."""
        return self

    def find_more(self, more: Callable[[], Iterable[Any]]) -> None:
        """Do nothing."""

    def count_from(self, step: int) -> Self:  # noqa: ARG002
        """Do nothing."""
        return self

    def close(self) -> None:
        """Do nothing."""
