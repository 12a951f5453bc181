"""A row that is complete but for what is still on its way from a device."""

from dataclasses import dataclass
from struct import Struct

from .model.device_copies import Arrival, DeviceScalar, Stage


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
        pack = Struct(f"<{len(self.numbers)}dqdq").pack_into
        head = self.base + step_start - 8 * len(self.numbers)
        pack(memory, head, *self.numbers, self.step, self.seconds, self.row + 1)

    def _arrivals(self) -> list[Arrival]:
        return [*self.stages, *self.scalars.values()]
