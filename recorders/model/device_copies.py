"""Values on a CUDA device on their way into the ring, without a training that waits for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ..ring.order import row_packer
from ..ring.ring import Ring
from .copies import check_shape, copy_all, ring_dtype
from .parameters import Place, local

# How many rows may be on their way at once: while one is copied to memory, the training takes the next steps.
DEPTH = 4


class Arrival(Protocol):
    """Something of a row that is on its way."""

    def is_done(self) -> bool:
        """Whether it is in memory; never waits."""
        ...

    def wait(self) -> None:
        """Wait until it is in memory."""
        ...


class DeviceParameters:
    """Copies of the parameters on one CUDA device.

    On the training's own stream they are copied within the device, which costs it microseconds, into one of DEPTH
    buffers; from there a stream of our own brings them into pinned memory while the training goes on. Events say when
    a copy may begin and when it is done. Nothing is synchronised with the host.
    """

    def __init__(self, places: Sequence[Place], ring: Ring, device: torch.device):
        self._places = places
        self._ring = ring
        self._stream = torch.cuda.Stream(device)
        self._device = device
        self._stages = [Stage(places, ring, device) for _ in range(DEPTH)]

    def start(self, row: int) -> "Stage":
        """Begin to bring the present values of all of them; whoever calls it has landed row - DEPTH."""
        stage = self._stages[row % DEPTH]
        parameters = [local(place.parameter()) for place in self._places]
        for place, parameter, target in zip(self._places, parameters, stage.targets, strict=True):
            check_shape(place, parameter, target.shape)
        current = torch.cuda.current_stream(self._device)
        copy_all(stage.targets, parameters)
        stage.ready.record(current)
        self._stream.wait_event(stage.ready)
        with torch.cuda.stream(self._stream):
            stage.memory.copy_(stage.buffer, non_blocking=True)
            stage.done.record(self._stream)
        return stage


class Stage:
    """A buffer on the device, its image in pinned memory, and the events between them."""

    def __init__(self, places: Sequence[Place], ring: Ring, device: torch.device):
        starts, channels = ring.layout.starts, {channel.path: channel for channel in ring.layout.channels}
        self._paths = [place.path for place in places]
        self._spans = [(starts[path], starts[path] + channels[path].nbytes) for path in self._paths]
        first, last = min(start for start, _ in self._spans), max(stop for _, stop in self._spans)
        self._first = first
        self.buffer = torch.empty(last - first, dtype=torch.uint8, device=device)
        self.memory = torch.empty(last - first, dtype=torch.uint8, pin_memory=True)
        self.ready, self.done = torch.cuda.Event(), torch.cuda.Event()
        self.targets = [
            self.buffer[start - first : stop - first].view(ring_dtype(tensor.dtype)).view(tensor.shape)
            for (start, stop), tensor in zip(self._spans, [local(p.parameter()) for p in places], strict=True)
        ]

    def is_done(self) -> bool:
        """Whether the copy is in memory; never waits."""
        return self.done.query()

    def wait(self) -> None:
        """Wait until the copy is in memory."""
        self.done.synchronize()

    def land(self, memory: memoryview, base: int) -> None:
        """Copy the values from pinned memory into the row that begins at *base*."""
        source = self.memory.numpy().data
        for start, stop in self._spans:
            memory[base + start : base + stop] = source[start - self._first : stop - self._first]


class DeviceScalar:
    """A number on a CUDA device, copied to pinned memory behind the work that computes it."""

    def __init__(self, value: Tensor):
        # torch copies into pinned memory when it is asked not to block.
        self._value = value.detach().to("cpu", non_blocking=True)
        self._done = torch.cuda.Event()
        self._done.record(torch.cuda.current_stream(value.device))

    def is_done(self) -> bool:
        """Whether the number is in memory; never waits."""
        return self._done.query()

    def wait(self) -> None:
        """Wait until the number is in memory."""
        self._done.synchronize()

    def number(self) -> float:
        """Return the number, once it is done."""
        return float(self._value.item())


@dataclass
class Flight:
    """What is known of such a row, and what it waits for.

    base: where the row begins in the ring's memory. scalars: by their places in *numbers*.
    """

    base: int
    numbers: list[float]
    step: int
    seconds: float
    row: int
    stages: list[Stage]
    scalars: dict[int, DeviceScalar]

    def is_done(self) -> bool:
        """Whether everything is there; never waits."""
        return all(each.is_done() for each in self._arrivals())

    def land(self, memory: memoryview, step_start: int) -> None:
        """Complete the row, waiting if need be; its step lies *step_start* bytes from its beginning."""
        for each in self._arrivals():
            each.wait()
        for stage in self.stages:
            stage.land(memory, self.base)
        for place, scalar in self.scalars.items():
            self.numbers[place] = scalar.number()
        pack = row_packer(len(self.numbers))
        head = self.base + step_start - 8 * len(self.numbers)
        pack(memory, head, *self.numbers, self.step, self.seconds, self.row + 1)

    def _arrivals(self) -> list[Arrival]:
        return [*self.stages, *self.scalars.values()]
