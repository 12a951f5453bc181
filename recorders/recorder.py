"""Recorder: a recording under way, from the optimizer's hooks to the file."""

import atexit
import os
import sys
import warnings
from collections.abc import Sequence
from enum import Enum, auto
from time import perf_counter
from types import TracebackType
from typing import Any, Literal, Self

from torch import Tensor
from torch.optim import Optimizer

from ..dynamics.errors import RecordingError, SettingError
from .channels import Channel, row_bytes
from .ring import NAN, Ring
from .store import Store
from .taps import ParameterTap, ProbeTap
from .writer import Derivation, Writer

# A reader of a live recording is at most this far behind, in seconds, unless writing takes long: then no more than
# one part in fifty of the training's time is spent on it.
_LATENCY = 1.0
_WRITING_SHARE = 50


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
        self._optimizer = optimizer
        self._ring = ring
        self._taps = tuple(taps)
        self._writer = writer
        self._store = store
        self._every = every
        self._on_error = on_error
        self._steps = 0
        self._phase = _Phase.BETWEEN
        self._pending: dict[str, float | Tensor] = {}
        self._deferred: list[tuple[str, int, Tensor]] = []
        self._open = True
        self._process = os.getpid()
        self._began = perf_counter()
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
        if not self._open or self._phase is _Phase.SKIPPING:
            return
        for name, value in scalars.items():
            number = _number(name, value)
            if self._phase is _Phase.BETWEEN:
                self._pending[name] = number
            elif self._is_empty(name):
                self._put(self._slot, name, number)

    def derive(self, derivation: Derivation, **attributes: str) -> None:
        """Record a quantity computed from the recorded parameters, in batches, when rows are written.

        *derivation* takes {parameter name: array (T, *shape)} and returns {name: array (T,) or (T, ...)}: a number a
        row becomes a scalar, more become a probe. The attributes are kept with the dataset.
        """
        self._drain()
        slot = self._slot
        self._copy_taps(slot)
        parameters = {
            path.removeprefix("parameters/"): column[slot : slot + 1]
            for path, column in self._ring.columns.items()
            if path.startswith("parameters/")
        }
        self._writer.derive(derivation, parameters, attributes)

    def close(self) -> None:
        """Add the final row, write everything, close the file and take the hooks off; calling it again does nothing."""
        self._close("complete")

    def _before_step(self, *_: Any) -> None:
        if self._steps % self._every:
            self._phase = _Phase.SKIPPING
            self._pending.clear()
            return
        try:
            self._sample()
        except Exception as error:
            self._fail(error)

    def _after_step(self, *_: Any) -> None:
        if self._phase is _Phase.RECORDING:
            self._ring.head += 1
        self._phase = _Phase.BETWEEN
        self._steps += 1

    def _sample(self) -> None:
        """Fill the next row; it is committed once the step has returned."""
        ring = self._ring
        now = perf_counter()
        if now > self._due or ring.is_full:
            self._drain()
        slot = self._slot
        if self._phase is _Phase.RECORDING:
            self._forget_interrupted(slot)
        self._phase = _Phase.RECORDING
        ring.step[slot] = self._steps
        ring.time[slot] = now - self._began
        self._copy_taps(slot)
        for k, group in enumerate(self._optimizer.param_groups):
            name = f"lr_{k}" if k else "lr"
            self._put(slot, name, _number(name, group["lr"]))
        for name, value in self._pending.items():
            self._put(slot, name, value)
        self._pending.clear()

    @property
    def _slot(self) -> int:
        return self._ring.head % self._ring.capacity

    def _copy_taps(self, slot: int) -> None:
        for tap in self._taps:
            tap.copy(slot)

    def _put(self, slot: int, name: str, value: float | Tensor) -> None:
        if isinstance(value, Tensor):
            self._deferred.append((name, slot, value))
            # Any number but NaN says that the place is taken; the tensor's is fetched when the row is written.
            value = 0.0
        self._ring.scalar(name)[slot] = value

    def _is_empty(self, name: str) -> bool:
        value = self._ring.scalar(name)[self._slot]
        return value != value

    def _forget_interrupted(self, slot: int) -> None:
        """Clear what a step that raised had put into its row; the next step fills the same row."""
        self._deferred = [(name, row, value) for name, row, value in self._deferred if row != slot]
        for column in self._ring.scalars.values():
            column[slot] = NAN

    def _drain(self) -> None:
        began = perf_counter()
        for name, slot, value in self._deferred:
            self._ring.scalar(name)[slot] = value.item()
        self._deferred.clear()
        self._writer.drain(self._ring)
        ended = perf_counter()
        self._due = ended + max(_LATENCY, _WRITING_SHARE * (ended - began))

    def _close(self, status: str) -> None:
        # A forked child shares the file with its parent, to whom the recording belongs.
        if not self._open or os.getpid() != self._process:
            return
        try:
            self._sample()
            self._ring.head += 1
            self._drain()
            self._store.close(status)
        except Exception as error:
            self._fail(error)
        else:
            self._detach()

    def _fail(self, error: Exception) -> None:
        """End the recording, keep what is written readable, and let the training go on unless told otherwise."""
        self._detach()
        # What the disk refused once it may refuse again; the rows committed so far stay readable either way.
        try:
            self._store.close("aborted")
        except Exception as again:
            error.add_note(f"closing the file failed as well: {again}")
        message = f"the recording {self.path} ended after {self._store.rows} rows: {error}"
        if self._on_error == "raise":
            raise RecordingError(message) from error
        warnings.warn(f"{message}; the training goes on", RuntimeWarning, stacklevel=4)

    def _detach(self) -> None:
        self._open = False
        for hook in self._hooks:
            hook.remove()
        atexit.unregister(self._at_exit)

    def _at_exit(self) -> None:
        # The interpreter remembers the exception that ended it.
        self._close("aborted" if getattr(sys, "last_value", None) is not None else "complete")


def _number(name: str, value: float | Tensor) -> float | Tensor:
    """Return a number, or a tensor on another device to be fetched later."""
    if type(value) is float:
        return value
    if isinstance(value, Tensor) and value.numel() == 1 and value.device.type != "cpu":
        # A copy on its own device: it waits for nothing, and keeps no graph alive.
        return value.detach().clone()
    try:
        return value.item() if isinstance(value, Tensor) else float(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise SettingError(f"log({name}=…) takes a number or a tensor of one element, got {_shown(value)}") from error


def _shown(value: Any) -> str:
    return f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else repr(value)
