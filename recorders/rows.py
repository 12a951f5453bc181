"""Filling a row of the ring: the part of recording that a training step pays for."""

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor
from torch.optim import Optimizer

from .ring import NAN, Ring
from .scalars import as_number
from .taps import ParameterTap, ProbeTap


class RowFiller:
    """Copies the present state into the next row of a ring; whoever calls it says when the row is complete."""

    def __init__(self, ring: Ring, taps: Sequence[ParameterTap | ProbeTap], optimizer: Optimizer):
        self._ring = ring
        self._copies = tuple(tap.copy for tap in taps)
        self._optimizer = optimizer
        self._deferred: list[tuple[str, int, Tensor]] = []

    def fill(self, step: int, seconds: float, scalars: Mapping[str, float | Tensor]) -> None:
        """Put everything that is known into the next row."""
        ring = self._ring
        slot = ring.head % ring.capacity
        ring.step[slot] = step
        ring.time[slot] = seconds
        for copy in self._copies:
            copy(slot)
        for k, group in enumerate(self._optimizer.param_groups):
            rate = group.get("lr")
            if rate is not None:
                name = f"lr_{k}" if k else "lr"
                self._put(slot, name, as_number(name, rate))
        for name, value in scalars.items():
            self._put(slot, name, value)

    def add(self, name: str, value: float | Tensor) -> None:
        """Put a number into the row that is being filled, unless it has one of that name."""
        slot = self._ring.head % self._ring.capacity
        present = self._ring.scalar(name)[slot]
        if present != present:
            self._put(slot, name, value)

    def forget(self) -> None:
        """Clear the numbers of a row whose step raised; the next step fills the same row."""
        slot = self._ring.head % self._ring.capacity
        self._deferred = [(name, row, value) for name, row, value in self._deferred if row != slot]
        for column in self._ring.scalars.values():
            column[slot] = NAN

    def fetch(self) -> None:
        """Bring in the numbers that were left on another device, before rows are written."""
        for name, slot, value in self._deferred:
            self._ring.scalar(name)[slot] = value.item()
        self._deferred.clear()

    def present_parameters(self) -> dict[str, np.ndarray]:
        """Return the parameters as they are now, by name, each as one row (1, *shape); no row is filled."""
        slot = self._ring.head % self._ring.capacity
        for copy in self._copies:
            copy(slot)
        columns = self._ring.columns.items()
        return {
            path.removeprefix("parameters/"): column[slot : slot + 1]
            for path, column in columns
            if path.startswith("parameters/")
        }

    def _put(self, slot: int, name: str, value: float | Tensor) -> None:
        if isinstance(value, Tensor):
            self._deferred.append((name, slot, value))
            # Any number but NaN says that the place is taken; the tensor's is fetched when the row is written.
            value = 0.0
        self._ring.scalar(name)[slot] = value
