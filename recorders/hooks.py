"""attach(): hook a recorder to any PyTorch training."""

import atexit
import json
import os
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
from torch import Tensor, nn
from torch.optim import Optimizer

from ..dynamics.errors import RecordingError, SettingError, unknown_name
from .channels import Channel, Features, array_channel, feature_channels, parameter_channels
from .ring import Ring
from .store import Store
from .taps import ParameterTap, ProbeTap, call_probe
from .writer import Derivation, Writer

Probe = Callable[[nn.Module], Any]

# The ring holds this many bytes, and no more rows than it is worth writing at once.
_RING_BYTES = 2**24
_RING_ROWS = 1024
# A reader of a live recording is at most this far behind, in seconds, unless writing takes long: then no more than
# one part in fifty of the training's time is spent on it.
_LATENCY = 1.0
_WRITING_SHARE = 50
# step, time and the scalars that every recording has (loss, lr).
_ROW_OVERHEAD = 4 * 8


def attach(
    model: nn.Module,
    optimizer: Optimizer,
    path: str | os.PathLike[str],
    *,
    every: int = 1,
    select: str | Sequence[str] | None = None,
    features: Features = "auto",
    probes: Mapping[str, Probe] | None = None,
    config: Mapping[str, Any] | None = None,
    on_error: Literal["warn", "raise"] = "warn",
    overwrite: bool = False,
) -> "Recorder":
    """Record every step of a training into the file *path*; return the recorder, a context manager.

    Row k holds the state at which loss k and its gradient were computed: the parameters before update k. The first
    row is the initial state, and closing adds the final one.

    every: record each such step (a whole number of steps). select: one glob or several over the qualified names of
    the parameters; by default all that require a gradient. features: "auto" takes the columns of matrices and the
    rows of embeddings; a dict {name: "rows" | "columns" | None} overrides it; None records no dimensionality.
    probes: {name: fn(model)} are your own tensors and numbers, sampled with the row. config: whatever describes the
    run, kept as JSON. on_error: what a full disk or an I/O error does: "warn" ends the recording and lets the training
    go on, "raise" raises. overwrite: replace an existing file.

    Raises SettingError for an argument that cannot be used, OutputExistsError for an existing file, RecordingError
    where no file can be written; in each case nothing on disk has changed.
    """
    _check_every(every)
    if on_error not in ("warn", "raise"):
        raise unknown_name("on_error", on_error, ("warn", "raise"))
    taken = parameter_channels(model, select, features)
    values = {name: call_probe(probe, model) for name, probe in (probes or {}).items()}
    probe_channels = {name: array_channel("probes", name, value) for name, value in values.items()}
    channels = [*(channel for _, channel in taken.values()), *probe_channels.values()]
    ring = Ring(channels, _ring_rows(channels))
    taps: list[ParameterTap | ProbeTap] = [
        ParameterTap(name, parameter, ring.columns[channel.path]) for name, (parameter, channel) in taken.items()
    ]
    taps += [
        ProbeTap(name, probe, model, ring.columns[probe_channels[name].path]) for name, probe in (probes or {}).items()
    ]
    json.dumps(config, default=str)
    store = Store(Path(path), channels, scalars=("loss", "lr"), config=config or {}, overwrite=overwrite)
    return Recorder(optimizer, ring, taps, Writer(store, channels), store, channels, every=every, on_error=on_error)


class Recorder:
    """A recording under way; made by :func:`attach`.

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
        self._in_step = False
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
        if not self._open:
            return
        for name, value in scalars.items():
            number = _number(name, value)
            if self._in_step:
                self._fill(name, number)
            else:
                self._pending[name] = number

    def derive(self, derivation: Derivation, **attributes: str) -> None:
        """Record a quantity computed from the recorded parameters, in batches, when rows are written.

        *derivation* takes {parameter name: array (T, *shape)} and returns {name: array (T,) or (T, ...)}: a number a
        row becomes a scalar, more become a probe. The attributes are kept with the dataset.
        """
        sample = {}
        self._sample_taps(0)
        for path, column in self._ring.columns.items():
            group, _, name = path.partition("/")
            if group == "parameters":
                sample[name] = column[:1]
        self._writer.derive(derivation, sample, attributes)

    def close(self) -> None:
        """Add the final row, write everything, close the file and take the hooks off; calling it again does nothing."""
        self._close("complete")

    def _before_step(self, *_: Any) -> None:
        if self._steps % self._every:
            self._pending.clear()
            return
        try:
            self._sample()
        except Exception as error:
            self._fail(error)

    def _after_step(self, *_: Any) -> None:
        if self._in_step:
            self._in_step = False
            self._ring.head += 1
        self._steps += 1

    def _sample(self) -> None:
        """Fill the next row; it is committed once the step has returned."""
        ring = self._ring
        now = perf_counter()
        if ring.head - ring.tail == ring.capacity or now > self._due:
            self._drain()
        slot = ring.head % ring.capacity
        ring.step[slot] = self._steps
        ring.time[slot] = now - self._began
        if self._in_step:
            self._forget_interrupted(slot)
        self._in_step = True
        self._sample_taps(slot)
        self._fill_learning_rates()
        for name, value in self._pending.items():
            self._fill(name, value)
        self._pending.clear()

    def _sample_taps(self, slot: int) -> None:
        for tap in self._taps:
            tap.copy(slot)

    def _fill_learning_rates(self) -> None:
        for k, group in enumerate(self._optimizer.param_groups):
            self._fill(f"lr_{k}" if k else "lr", group["lr"])

    def _fill(self, name: str, value: float | Tensor) -> None:
        """Put a number into the row under way, unless the row has one."""
        ring = self._ring
        slot = ring.head % ring.capacity
        column = ring.scalar(name)
        if column[slot] != column[slot]:
            if isinstance(value, Tensor):
                self._deferred.append((name, slot, value.detach().clone()))
                # Any number but NaN marks the place as taken until the tensor is fetched.
                column[slot] = 0.0
            else:
                column[slot] = value

    def _forget_interrupted(self, slot: int) -> None:
        """Clear what a step that raised had put into its row; the next step fills the same row."""
        self._deferred = [(name, row, value) for name, row, value in self._deferred if row != slot]
        for column in self._ring.scalars.values():
            column[slot] = float("nan")

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
            self._in_step = False
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
        self._in_step = False
        for hook in self._hooks:
            hook.remove()
        atexit.unregister(self._at_exit)

    def _at_exit(self) -> None:
        # The interpreter remembers the exception that ended it.
        self._close("aborted" if getattr(sys, "last_value", None) is not None else "complete")


def row_bytes(channels: Sequence[Channel]) -> int:
    """Return how many bytes one row of these channels takes in the file, with the features derived from them."""
    stored = [each.stored_bytes for channel in channels for each in (channel, *feature_channels(channel))]
    return _ROW_OVERHEAD + sum(stored)


def _ring_rows(channels: Sequence[Channel]) -> int:
    largest = sum(int(np.prod(channel.shape)) * channel.dtype.itemsize for channel in channels)
    return max(2, min(_RING_ROWS, _RING_BYTES // max(largest, 1)))


def _check_every(every: int) -> None:
    if isinstance(every, bool) or not isinstance(every, int) or every < 1:
        raise SettingError(f"every={every!r} is not a whole number of steps, 1 or more")


def _number(name: str, value: float | Tensor) -> float | Tensor:
    """Return a number, or a tensor on another device to be fetched later."""
    if isinstance(value, Tensor) and value.numel() == 1 and value.device.type != "cpu":
        return value
    try:
        # On a CPU tensor this waits for nothing, and no reference keeps the loss's graph alive.
        return value.item() if isinstance(value, Tensor) else float(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise SettingError(f"log({name}=…) takes a number or a tensor of one element, got {_shown(value)}") from error


def _shown(value: Any) -> str:
    return f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else repr(value)
