"""Recorder: a recording under way, from the optimizer's hooks to the file."""

import atexit
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import Enum, auto
from time import perf_counter
from types import TracebackType
from typing import Any, Literal, Self

from torch import Tensor
from torch.optim import Optimizer

from ..dynamics.errors import RecordingError
from .channels import Channel, row_bytes
from .ring import Ring
from .rows import RowFiller
from .store import Store
from .taps import ParameterTap, ProbeTap
from .writer import Derivation, Writer

# A reader of a live recording is at most this far behind, in seconds, unless writing takes long: then no more than
# one part in fifty of the training's time is spent on it.
_LATENCY = 1.0
_WRITING_SHARE = 50
_PRE_HOOK, _POST_HOOK = 0, 1


class _Phase(Enum):
    """Where the training is: between steps, or in one that is recorded or one that is not."""

    BETWEEN = auto()
    RECORDING = auto()
    SKIPPING = auto()


class Recorder:
    """A recording under way; made by :func:`dyn.attach`.

    Use it in a ``with`` block, or call :meth:`close`. Closing, or a failure of the recording, takes the hooks off and
    leaves no trace on model or optimizer.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        ring: Ring,
        taps: Sequence[ParameterTap | ProbeTap],
        writer: Writer,
        store: Store,
        channels: Sequence[Channel],
        *,
        every: int,
        on_error: Literal["warn", "raise"],
    ):
        self.path = store.path
        self.bytes_per_row = row_bytes(channels)
        self._ring = ring
        self._filler = RowFiller(ring, taps, optimizer)
        self._writer = writer
        self._store = store
        self._every = every
        self._on_error = on_error
        self._steps = 0
        self._phase = _Phase.BETWEEN
        self._in_closure = False
        self._from_closure: list[str] = []
        self._open = True
        self._process = os.getpid()
        self._began = perf_counter()
        self._now = self._began
        self._due = self._began + _LATENCY
        self._hooks = (
            optimizer.register_step_pre_hook(self._before_step),
            optimizer.register_step_post_hook(self._after_step),
        )
        atexit.register(self._at_exit)

    def __repr__(self) -> str:
        state = "open" if self._open else "closed"
        return f"Recorder({str(self.path)!r}, {self._steps} steps, {self.bytes_per_row} bytes a row, {state})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close("complete" if kind is None else "aborted")

    def log(self, **scalars: float | Tensor) -> None:
        """Put numbers into the row of the step that is about to be taken; call it before ``optimizer.step()``.

        Within a step, from a closure, the first value given belongs to the row, since it was computed at the row's
        parameters. After the last step the numbers go into the final row. Tensors must have one element; those on
        another device are copied there and fetched when rows are written, so nothing waits for them.
        Raises SettingError for a value that is no number.
        """
        if not self._open:
            return
        for name, value in scalars.items():
            if not self._in_closure:
                self._filler.log(name, value)
            elif self._phase is _Phase.RECORDING:
                self._filler.log_once(name, value)
                self._from_closure.append(name)

    def derive(self, derivation: Derivation, **attributes: str) -> None:
        """Record a quantity computed from the recorded parameters, in batches, when rows are written.

        *derivation* takes {parameter name: array (T, *shape)} and returns {name: array (T,) or (T, ...)}: a number a
        row becomes a scalar, more become a probe. The attributes are kept with the dataset.
        """
        self._drain()
        self._writer.derive(derivation, self._filler.present_parameters(), attributes)

    def close(self) -> None:
        """Add the final row, write everything, close the file and take the hooks off; calling it again does nothing."""
        self._close("complete")

    def _before_step(self, _: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not self._open:
            return None
        try:
            if self._from_closure:
                # The step before this one raised. What its closure had logged goes; what was logged since stays.
                self._filler.forget(self._from_closure)
                self._from_closure.clear()
            if self._every > 1 and self._steps % self._every:
                self._phase = _Phase.SKIPPING
                self._filler.forget()
            else:
                self._phase = _Phase.RECORDING
                self._now = perf_counter()
                self._filler.fill(self._steps, self._now - self._began)
        except Exception as error:
            self._fail(error, within=_PRE_HOOK)
        # The optimizer itself is the first argument, a closure the second.
        if len(args) > 1 and args[1] is not None:
            return (args[0], self._watched(args[1]), *args[2:]), kwargs
        if kwargs.get("closure") is not None:
            return args, {**kwargs, "closure": self._watched(kwargs["closure"])}
        return None

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
            return
        self._steps += 1
        if self._from_closure:
            self._from_closure.clear()
        if self._phase is _Phase.RECORDING:
            self._ring.commit()
            # Rows are written when there is no room for another, or when a reader has waited long enough.
            if self._ring.room == 0 or self._now > self._due:
                self._drain_or_fail()
        self._phase = _Phase.BETWEEN

    def _drain_or_fail(self) -> None:
        try:
            self._drain()
        except Exception as error:
            self._fail(error, within=_POST_HOOK)

    def _drain(self) -> None:
        if os.getpid() != self._process:
            # A forked child that trains on shares the file with its parent, to whom the recording belongs.
            self._detach(within=_POST_HOOK)
            return
        began = perf_counter()
        self._filler.fetch()
        self._writer.drain(self._ring)
        ended = perf_counter()
        self._due = ended + max(_LATENCY, _WRITING_SHARE * (ended - began))

    def _close(self, status: str) -> None:
        if not self._open or os.getpid() != self._process:
            self._detach()
            return
        try:
            if self._phase is _Phase.RECORDING:
                # A step was interrupted: what was logged for it belongs to parameters that may be gone.
                self._filler.forget()
            self._filler.fill(self._steps, perf_counter() - self._began)
            self._ring.commit()
            self._drain()
            self._store.close(status)
        except Exception as error:
            self._fail(error)
        else:
            self._detach()

    def _fail(self, error: Exception, *, within: int | None = None) -> None:
        """End the recording, keep what is written readable, and let the training go on unless told otherwise."""
        self._detach(within=within)
        if os.getpid() != self._process:
            return
        # What was complete may still be written; the file is closed in any case.
        for last_act in (self._drain, lambda: self._store.close("aborted")):
            with suppress(Exception):
                if self._store.is_open:
                    last_act()
        message = f"the recording {self.path} ended after {self._store.rows} rows: {error}"
        if self._on_error == "raise":
            raise RecordingError(message) from error
        warnings.warn(f"{message}; the training goes on", RuntimeWarning, stacklevel=4)

    def _detach(self, *, within: int | None = None) -> None:
        """Take the hooks off; *within* one of them, as far as torch's loop over the hooks bears it.

        The hook in whose loop this runs stays, and does nothing. A pre-hook is taken off by the post-hook after it; a
        post-hook waits for close().
        """
        self._open = False
        for k, hook in enumerate(self._hooks):
            if within is None or (within == _POST_HOOK and k == _PRE_HOOK):
                hook.remove()
        atexit.unregister(self._at_exit)

    def _at_exit(self) -> None:
        # The interpreter remembers the exception that ended it.
        self._close("aborted" if getattr(sys, "last_value", None) is not None else "complete")
