"""Filling a row of the ring: the part of recording that a training step pays for."""

from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor
from torch.optim import Optimizer

from .ring import NAN, Ring
from .scalars import as_number, check_name
from .taps import ParameterTap, ProbeTap


class RowFiller:
    """Copies the present state into the next row of a ring; whoever calls it says when the row is complete.

    A training's caches are cold for this code, so that each object it touches costs more than the work on it: it keeps
    what it needs at hand and does little else.
    """

    def __init__(self, ring: Ring, taps: Sequence[ParameterTap | ProbeTap], optimizer: Optimizer):
        self._ring = ring
        self._taps = tuple(taps)
        self._optimizer = optimizer
        self._rates: list[array] = []
        self._deferred: list[tuple[array, int, Tensor]] = []

    def fill(self, step: int, seconds: float) -> None:
        """Put the state of the training into the next row."""
        ring = self._ring
        slot = ring.slot
        ring.step[slot] = step
        ring.time[slot] = seconds
        for tap in self._taps:
            tap.copy(slot)
        groups = self._optimizer.param_groups
        if len(groups) != len(self._rates):
            self._rates = [ring.scalar(f"lr_{k}" if k else "lr") for k in range(len(groups))]
        for group, column in zip(groups, self._rates, strict=True):
            rate = group.get("lr")
            if type(rate) is float:
                column[slot] = rate
            elif rate is not None:
                self._put(column, as_number("lr", rate))

    def log(self, name: str, value: Any) -> None:
        """Put a number into the next row."""
        column = self._ring.scalars.get(name)
        if column is None:
            # In this order, so that what is no number leaves no column behind.
            value = as_number(name, value)
            column = self._new_column(name)
        # What nearly every call brings is done here, and everything else one call deeper.
        if type(value) is Tensor and value.is_cpu and value.numel() == 1:
            value = value.item()
        if type(value) is float and not self._deferred:
            column[self._ring.slot] = value
        else:
            self._put(column, as_number(name, value))

    def log_once(self, name: str, value: Any) -> None:
        """Put a number into the next row unless it has one of that name."""
        number = as_number(name, value)
        column = self._ring.scalars.get(name) or self._new_column(name)
        # NaN, which says that nothing was put, is the only number that differs from itself.
        if column[self._ring.slot] != column[self._ring.slot]:
            self._put(column, number)

    def forget(self, names: Sequence[str] | None = None) -> None:
        """Clear the numbers of the next row, all of them or those of the given names."""
        slot = self._ring.slot
        for column in [self._ring.scalar(name) for name in (self._ring.scalars if names is None else names)]:
            column[slot] = NAN
            self._drop_deferred(column, slot)

    def fetch(self) -> None:
        """Bring in the numbers that were left on another device, before rows are written."""
        for column, slot, value in self._deferred:
            column[slot] = value.item()
        self._deferred.clear()

    def present_parameters(self) -> dict[str, np.ndarray]:
        """Return the parameters as they are now, by name, each as one row (1, *shape); no row is filled."""
        slot = self._ring.slot
        for tap in self._taps:
            tap.copy(slot)
        columns = self._ring.columns.items()
        return {
            path.removeprefix("parameters/"): column[slot : slot + 1]
            for path, column in columns
            if path.startswith("parameters/")
        }

    def _new_column(self, name: str) -> array:
        check_name(name, self._ring.scalars)
        return self._ring.scalar(name)

    def _put(self, column: array, number: float | Tensor) -> None:
        slot = self._ring.slot
        if self._deferred:
            self._drop_deferred(column, slot)
        if isinstance(number, Tensor):
            self._deferred.append((column, slot, number))
            # Any number but NaN says that the place is taken; the tensor's is fetched when the row is written.
            number = 0.0
        column[slot] = number

    def _drop_deferred(self, column: array, slot: int) -> None:
        self._deferred = [kept for kept in self._deferred if kept[0] is not column or kept[1] != slot]
