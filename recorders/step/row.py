"""Filling a row of the ring: the part of recording that a training step pays for."""

import sys
from collections import deque
from collections.abc import Sequence
from struct import Struct
from time import get_clock_info
from typing import Any

import numpy as np
from torch import Tensor, nn
from torch.optim import Optimizer

from ..model.copies import ModuleCheck, ParameterView, Tap
from ..model.device_copies import DEPTH, DeviceParameters, Flight, Stage
from ..model.payments import Payment
from ..ring.ring import Ring
from .compiling import set_apart, uncompiled
from .numbers import UNSEEN, RowScalars
from .state import Phase

# What copies a model into rows, as Sources.taps() makes it, and what a step brought, as Sources.payments() does.
Copies = tuple[Sequence[ParameterView], Sequence[Tap], Sequence[DeviceParameters], Sequence[Payment]]

# What the quick way tells the time by.
_CLOCK = "clock_gettime(CLOCK_MONOTONIC)"

_NUMBER, _MARK = Struct("<d"), Struct("<q")


class RowFiller(RowScalars):
    """Copies the present state into the next row of a ring and declares it complete.

    A training's caches are cold for this code, so that each object it touches costs more than the work on it: it keeps
    what it needs at hand and does little else. The numbers of a row are held back until its end and written by one
    packed write, whose last word is the mark.
    """

    __slots__ = (
        "_capacity",
        "_copies",
        "_devices",
        "_first",
        "_memory",
        "_payments",
        "_row_bytes",
        "_stages",
        "_starts",
        "_taps",
        "_views",
    )

    def __init__(
        self,
        ring: Ring,
        views: Sequence[ParameterView],
        taps: Sequence[Tap],
        devices: Sequence[DeviceParameters],
        optimizers: Sequence[Optimizer],
        payments: Sequence[Payment] = (),
    ):
        super().__init__(ring)
        starts = ring.layout.starts
        self._row = 0
        self._memory = memoryview(ring.memory)
        self._first, self._capacity, self._row_bytes = ring.header_bytes, ring.capacity, ring.row_bytes
        # Where the row lies that was filled last.
        self._base = self._first
        self._views = tuple(views)
        self._starts = [starts[view.path] for view in views]
        self._copies = [self._copy_of(k) for k in range(len(views))]
        self._taps = tuple(taps)
        self._devices = tuple(devices)
        self._payments = tuple(payments)
        self._optimizers = tuple(optimizers)
        self._flights: deque[Flight] = deque()
        self._stages: list[Stage] = []
        self._step, self._seconds = 0, 0.0
        self._prepare_quick_way()

    @property
    def _complete(self) -> int:
        """How many rows are complete."""
        return self._flights[0].row if self._flights else self._row

    @uncompiled
    def _fill(self, step: int, seconds: float) -> None:
        """Put the state of the training into the next row."""
        self._step, self._seconds = step, seconds
        memory, base = self._memory, self._first + self._row % self._capacity * self._row_bytes
        self._base = base
        for start, stop, present, key, parameter, address, at, shape, is_whole, source in self._copies:
            if present(key) is parameter and address() == at and parameter.shape == shape and is_whole():
                memory[base + start : base + stop] = source
            else:
                self._copy_anew(start)
        if self._taps or self._devices:
            self._copy_others()
        k, rates = 0, self._rates
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                if group.get("lr") is not rates[k]:
                    self._put_rate(k, group.get("lr"))
                k += 1

    @uncompiled
    def _commit(self) -> None:
        """Declare the row complete."""
        for payment in self._payments:
            payment.copy(self._row % self._capacity)
        if self._stages or self._deferred or self._flights:
            self._depart()
        else:
            self._pack(self._memory, self._base + self._head, *self._numbers, self._step, self._seconds, self._row + 1)
        self._row += 1
        self._numbers[:] = self._blank

    def _prepare_quick_way(self) -> None:
        """Say what a row is filled from, if it is parameters only that a quick way may copy."""
        # Since torch 2.10.
        exchange = getattr(Tensor, "__dlpack_c_exchange_api__", None)
        if exchange is None or get_clock_info("perf_counter").implementation != _CLOCK or sys.byteorder != "little":
            return
        checks = [tap for tap in self._taps if isinstance(tap, ModuleCheck)]
        modules = tuple(entry for check in checks for entry in check.entries)
        is_plain = len(checks) == len(self._taps) and not self._devices
        starts = ((view.place, start, view.nbytes) for view, start in zip(self._views, self._starts, strict=True))
        kinds = {"parameters": nn.Parameter, "buffers": Tensor}
        sources = tuple((p.owner, p.key, kinds[p.group], start, size) for p, start, size in starts)
        # What is no parameter has no gradient.
        plain = dict.fromkeys((view.path for view in self._views if view.place.group != "parameters"), (0, 0, 0, 0))
        plain |= {payment.source: payment.plain for payment in self._payments}
        payments = tuple(plain[view.path] for view in self._views) if self._payments else ()
        phases = (Phase.BETWEEN, Phase.RECORDING)
        ring = (self._first, self._capacity, self._row_bytes, self._memory)
        # A source that is none leaves rows to Python, and only numbers are taken.
        self._prepare(exchange, Tensor, *phases, modules, sources if is_plain else (None,), payments, *ring)

    def _amend(self) -> None:
        """Put the numbers that were logged since into the row that was completed last."""
        self._settle()
        head = self._base_of(self._row - 1) + self._head
        for place, number in enumerate(self._numbers):
            if number == number and number is not self._blank[place]:
                _NUMBER.pack_into(self._memory, head + 8 * place, number)
        self._numbers[:] = self._blank

    def _recover_row(self, step: int) -> bool:
        """After an interruption: whether the row of *step* had been completed all the same."""
        mark = _MARK.unpack_from(self._memory, self._base_of(self._row) + self._ring.layout.step + 16)[0]
        if mark == self._row + 1 or (self._flights and self._flights[-1].row == self._row):
            self._row += 1
            self._numbers[:] = self._blank
        # The next try may be one with another learning rate.
        for place in self._own:
            if self._has_own_rate(place):
                self._clear(place)
        if self._flights:
            return self._flights[-1].step == step
        return self._row > 0 and self._ring.rows["step"][(self._row - 1) % self._ring.capacity] == step

    def _settle(self) -> None:
        """Wait for whatever is on its way from a device, and complete its rows."""
        self._land(most=0)
        for place, scalar in self._deferred.items():
            scalar.wait()
            self._numbers[place] = scalar.number()
        self._deferred.clear()

    def _present_parameters(self) -> dict[str, np.ndarray]:
        """Return the parameters as they are now, by name, each as one row (1, *shape); no row is completed."""
        logged, deferred = [*self._numbers], {**self._deferred}
        self._fill(self._step, self._seconds)
        # They were put into a row that is taken back.
        self._rates[:] = [UNSEEN] * len(self._rates)
        self._numbers[:] = self._blank
        self._numbers[len(self._numbers) - len(logged) :], self._deferred = logged, deferred
        for stage in self._stages:
            stage.wait()
            stage.land(self._memory, self._base)
        self._stages = []
        slot = self._row % self._ring.capacity
        channels = [channel for channel in self._ring.layout.channels if channel.group == "parameters"]
        return {channel.name: self._ring.rows[channel.path][slot : slot + 1] for channel in channels}

    def _base_of(self, row: int) -> int:
        return self._first + row % self._capacity * self._row_bytes

    def _copy_of(self, k: int) -> tuple[Any, ...]:
        """Return where in a row parameter *k* lies, and what it is copied by."""
        copy = self._views[k].look()
        return self._starts[k], self._starts[k] + len(copy.source), *copy

    @set_apart
    def _copy_anew(self, start: int) -> None:
        """Copy a parameter that is not what or where it was."""
        k = self._starts.index(start)
        self._copies[k] = copy = self._copy_of(k)
        self._memory[self._base + start : self._base + copy[1]] = copy[-1]

    @set_apart
    def _copy_others(self) -> None:
        for tap in self._taps:
            tap.copy(self._row % self._capacity)
        if self._devices:
            self._land(most=DEPTH - 1)
            self._stages = [device.start(self._row) for device in self._devices]

    @set_apart
    def _depart(self) -> None:
        """Leave the row to be completed when its values are there; those before it come first."""
        flight = Flight(
            self._base, [*self._numbers], self._step, self._seconds, self._row, self._stages, self._deferred
        )
        self._flights.append(flight)
        self._stages, self._deferred = [], {}
        self._land(most=DEPTH)

    def _land(self, *, most: int) -> None:
        """Complete the rows that have arrived, and wait for those that are more than *most*."""
        while self._flights:
            flight = self._flights[0]
            if len(self._flights) <= most and not flight.is_done():
                return
            flight.land(self._memory, self._ring.layout.step)
            self._flights.popleft()
