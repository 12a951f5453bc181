"""Filling a row of the ring: the part of recording that a training step pays for."""

from collections import deque
from collections.abc import Sequence
from struct import Struct
from typing import Any

import numpy as np
from torch import Tensor
from torch.optim import Optimizer

from ..dynamics.errors import SettingError
from .channels import check_name
from .device import DEPTH, DeviceParameters, DeviceScalar, Stage
from .flight import Flight
from .layout import NAN
from .ring import Ring
from .scalars import as_number
from .taps import ParameterView, Tap

_NUMBER, _MARK = Struct("<d"), Struct("<q")


class RowFiller:
    """Copies the present state into the next row of a ring and declares it complete.

    A training's caches are cold for this code, so that each object it touches costs more than the work on it: it keeps
    what it needs at hand and does little else. The numbers of a row are held back until its end and written by one
    packed write, whose last word is the mark.
    """

    def __init__(
        self,
        ring: Ring,
        views: Sequence[ParameterView],
        taps: Sequence[Tap],
        devices: Sequence[DeviceParameters],
        optimizers: Sequence[Optimizer],
    ):
        starts = ring.layout.starts
        self.row = 0
        self._ring = ring
        self._memory = memoryview(ring.memory)
        self._base = ring.header_bytes
        self._end = ring.header_bytes + ring.capacity * ring.row_bytes
        self._views = [(view, starts[view.path], starts[view.path] + len(view.source)) for view in views]
        self._taps = tuple(taps)
        self._devices = tuple(devices)
        self._optimizers = tuple(optimizers)
        self._rates: list[int] = []
        # The rates of the present row that are not the user's, by place.
        self._own: dict[int, float | DeviceScalar] = {}
        self._flights: deque[Flight] = deque()
        self._stages: list[Stage] = []
        self._deferred: dict[int, DeviceScalar] = {}
        self._step, self._seconds = 0, 0.0
        # Names are found by their place from the end, which stays when a further one is put in front.
        self._places: dict[str, int] = {}
        self._numbers: list[float] = []
        self._blank: list[float] = []
        for name in ring.names:
            self._add_place(name)

    @property
    def complete(self) -> int:
        """How many rows are complete."""
        return self._flights[0].row if self._flights else self.row

    def fill(self, step: int, seconds: float) -> None:
        """Put the state of the training into the next row."""
        memory, base = self._memory, self._base
        for view, start, stop in self._views:
            is_same = view.owner.get(view.key) is view.parameter and view.same(view.seen) and view.address() == view.at
            if not is_same:
                view.look_again()
            memory[base + start : base + stop] = view.source
        for tap in self._taps:
            tap.copy(self.row % self._ring.capacity)
        if self._devices:
            self._land(most=DEPTH - 1)
            self._stages = [device.start(self.row) for device in self._devices]
        self._put_rates()
        self._step, self._seconds = step, seconds

    def commit(self) -> None:
        """Declare the row complete."""
        if self._stages or self._deferred or self._flights:
            self._depart()
        else:
            self._pack(self._memory, self._base + self._head, *self._numbers, self._step, self._seconds, self.row + 1)
        self._advance()

    def amend(self) -> None:
        """Put the numbers that were logged since into the row that was completed last."""
        self.settle()
        base = self._base - self._ring.row_bytes
        base = base if self._base > self._ring.header_bytes else self._end - self._ring.row_bytes
        for place, number in enumerate(self._numbers):
            if number == number:
                _NUMBER.pack_into(self._memory, base + self._head + 8 * place, number)
        self._numbers[:] = self._blank

    def recover(self, step: int) -> bool:
        """After an interruption: whether the row of *step* had been completed all the same."""
        mark = _MARK.unpack_from(self._memory, self._base + self._ring.layout.step + 16)[0]
        if mark == self.row + 1 or (self._flights and self._flights[-1].row == self.row):
            self._advance()
        # The next try may be one with another learning rate.
        for place, rate in self._own.items():
            if self._deferred.get(place, self._numbers[place]) is rate:
                self._forget(place)
        if self._flights:
            return self._flights[-1].step == step
        return self.row > 0 and self._ring.rows["step"][(self.row - 1) % self._ring.capacity] == step

    def settle(self) -> None:
        """Wait for whatever is on its way from a device, and complete its rows."""
        self._land(most=0)
        for place, scalar in self._deferred.items():
            scalar.wait()
            self._numbers[place] = scalar.number()
        self._deferred.clear()

    def log(self, name: str, value: Any) -> None:
        """Put a number into the next row."""
        # What nearly every call brings is done here, and everything else one call deeper.
        if type(value) is Tensor and value.is_cpu and value.numel() == 1:
            value = value.item()
        if type(value) is float and not self._deferred and name in self._places:
            self._numbers[self._places[name]] = value
        else:
            self._put(name, as_number(name, value))

    def log_once(self, name: str, value: Any) -> None:
        """Put a number into the next row unless it has one of that name."""
        number = as_number(name, value)
        place = self._places.get(name)
        if place is None or self._own.pop(place, None) is not None or self._is_absent(place):
            self._put(name, number)

    def forget(self, names: Sequence[str] | None = None) -> None:
        """Clear the numbers of the next row, all of them or those of the given names."""
        if names is None:
            self._numbers[:] = self._blank
            self._deferred.clear()
        else:
            for name in names:
                self._forget(self._places[name])

    def present_parameters(self) -> dict[str, np.ndarray]:
        """Return the parameters as they are now, by name, each as one row (1, *shape); no row is completed."""
        logged, deferred = [*self._numbers], {**self._deferred}
        self.fill(self._step, self._seconds)
        self._numbers[:] = self._blank
        self._numbers[len(self._numbers) - len(logged) :], self._deferred = logged, deferred
        for stage in self._stages:
            stage.wait()
            stage.land(self._memory, self._base)
        self._stages = []
        slot = self.row % self._ring.capacity
        channels = [channel for channel in self._ring.layout.channels if channel.group == "parameters"]
        return {channel.name: self._ring.rows[channel.path][slot : slot + 1] for channel in channels}

    def _is_absent(self, place: int) -> bool:
        return place not in self._deferred and self._numbers[place] != self._numbers[place]

    def _forget(self, place: int) -> None:
        self._numbers[place] = NAN
        self._deferred.pop(place, None)

    def _put(self, name: str, number: float | Tensor) -> None:
        place = self._places.get(name)
        if place is None:
            check_name(name, self._places, where="log()")
            if name not in self._ring.names and not self._ring.add_names([name]):
                raise SettingError(
                    f"log({name}=…) is one scalar too many: a recording holds {self._ring.layout.room}; "
                    "record many numbers as one array, by attach(probes={name: function})"
                )
            place = self._add_place(name)
        self._deferred.pop(place, None)
        if isinstance(number, Tensor):
            self._deferred[place] = DeviceScalar(number)
        else:
            self._numbers[place] = number

    def _add_place(self, name: str) -> int:
        size = len(self._places) + 1
        head, pack = self._ring.layout.step - 8 * size, Struct(f"<{size}dqdq").pack_into
        blank, numbers = [NAN] * size, [NAN, *self._numbers]
        # All of it or nothing: no Ctrl-C comes between plain assignments.
        self._blank, self._numbers, self._head, self._pack, self._places[name] = blank, numbers, head, pack, -size
        return -size

    def _put_rates(self) -> None:
        """Put the learning rates into the row, unless the user logged them."""
        k, numbers, own, rates = 0, self._numbers, self._own, self._rates
        own.clear()
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                rate = group.get("lr")
                # The usual case first: a number for a place that has none, which differs from itself.
                if (
                    type(rate) is float
                    and k < len(rates)
                    and numbers[rates[k]] != numbers[rates[k]]
                    and not self._deferred
                ):
                    own[rates[k]] = numbers[rates[k]] = rate
                elif rate is not None:
                    self._put_rate(k, rate)
                    numbers = self._numbers
                k += 1

    def _put_rate(self, k: int, rate: Any) -> None:
        name = f"lr_{k}" if k else "lr"
        while k >= len(self._rates):
            new = f"lr_{len(self._rates)}" if self._rates else "lr"
            if new not in self._places:
                self._put(new, NAN)
            self._rates.append(self._places[new])
        place = self._rates[k]
        if self._is_absent(place):
            self._put(name, as_number("lr", rate))
            self._own[place] = self._deferred.get(place, self._numbers[place])

    def _advance(self) -> None:
        self.row += 1
        self._base += self._ring.row_bytes
        if self._base == self._end:
            self._base = self._ring.header_bytes
        self._numbers[:] = self._blank

    def _depart(self) -> None:
        """Leave the row to be completed when its values are there; those before it come first."""
        flight = Flight(self._base, [*self._numbers], self._step, self._seconds, self.row, self._stages, self._deferred)
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
