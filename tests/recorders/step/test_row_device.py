"""Values on their way from a device: rows land in order and whole, and the training waits only when too many are late.

The CUDA device is played on the CPU, by copies that arrive when they have been asked after so many times.
"""

from collections import deque
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from dyn.recorders.model.device_copies import DEPTH
from dyn.recorders.ring.channels import array_channel
from dyn.recorders.ring.layout import RowLayout
from dyn.recorders.ring.ring import Ring
from dyn.recorders.step.row import RowFiller

CAPACITY, ROOM = 8, 7


class Late(Tensor):
    """A number that passes for one on a CUDA device."""

    is_cuda = True


@dataclass
class Copy:
    """Something on its way, which arrives when it has been asked after *delay* times, or waited for."""

    delay: int
    value: float
    device: "Device"
    arrived: bool = False

    def is_done(self) -> bool:
        self.arrived = self.arrived or self.delay <= 0
        self.delay -= 1
        return self.arrived

    def wait(self) -> None:
        if not self.arrived:
            self.device.waited.append(self.device.under_way())
        self.arrived = True

    def number(self) -> float:
        assert self.arrived
        return self.value

    def land(self, memory: memoryview, base: int) -> None:
        assert self.arrived
        start = self.device.ring.layout.starts["probes/w"]
        memory[base + start : base + start + 8] = np.float64(self.value).tobytes()


@dataclass
class Device:
    """What starts such copies; *waited* holds how many rows were under way whenever the training waited."""

    ring: Ring
    delays: deque[int]
    filler: RowFiller = field(init=False)
    waited: list[int] = field(default_factory=list)

    def start(self, row: int) -> Copy:
        assert self.under_way() < DEPTH
        return Copy(self.delays.popleft(), 100.0 + row, self)

    def scalar(self, value: Tensor) -> Copy:
        return Copy(self.delays.popleft(), value.as_subclass(Tensor).item(), self)

    def under_way(self) -> int:
        return self.filler._row - self.filler._complete


@pytest.fixture
def begin(tmp_path, monkeypatch):
    rings = []

    def make(delays: list[int], *, has_parameters: bool = True) -> Device:
        layout = RowLayout("token", ROOM, (array_channel("probes", "w", np.zeros(())),))
        rings.append(Ring.create(tmp_path / f"{len(rings)}.ring", layout, CAPACITY, ("loss", "lr")))
        device = Device(rings[-1], deque(delays))
        device.filler = RowFiller(device.ring, [], [], [device] if has_parameters else [], [])
        monkeypatch.setattr("dyn.recorders.step.numbers.DeviceScalar", device.scalar)
        return device

    yield make
    for ring in rings:
        ring.release()


def late(number: float) -> Tensor:
    return torch.tensor(number).as_subclass(Late)


def check(device: Device, row: int, *, has_parameters: bool) -> None:
    """Row k has 100 + k as its parameter and -k as its loss, its step and its time."""
    found = device.ring.rows[row % CAPACITY]
    assert found["probes/w"] == (100 + row if has_parameters else 0)
    assert (found["mark"], found["step"], found["time"], found["scalars"][-1]) == (row + 1, -row, -row, -row)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.integers(0, 30), min_size=50, max_size=50),
    st.booleans(),
    st.lists(st.booleans(), min_size=25, max_size=25),
)
def test_rows_land_in_order_and_are_waited_for_only_where_too_many_are_late(begin, delays, has_parameters, are_late):
    device = begin(delays, has_parameters=has_parameters)
    filler, checked = device.filler, 0
    for row, is_late in enumerate(are_late):
        filler.log(loss=late(-row) if is_late else float(-row))
        filler._fill(-row, -row)
        filler._commit()
        assert device.under_way() <= DEPTH
        assert device.ring.complete_after(checked) == filler._complete - checked
        for complete in range(checked, filler._complete):
            check(device, complete, has_parameters=has_parameters)
        checked = filler._complete
    assert all(count >= DEPTH for count in device.waited)
    filler._settle()
    assert filler._complete == filler._row == len(are_late)
    check(device, len(are_late) - 1, has_parameters=has_parameters)


def test_what_arrives_at_once_is_never_waited_for(begin):
    device = begin([0] * 100)
    for row in range(20):
        device.filler.log(loss=late(row))
        device.filler._fill(row, 0.0)
        device.filler._commit()
        assert device.filler._complete == row + 1
    assert not device.waited


def test_a_row_of_the_host_waits_its_turn_behind_a_late_one(begin):
    device = begin([3], has_parameters=False)
    for row, loss in enumerate((late(0), -1.0, -2.0, -3.0)):
        device.filler.log(loss=loss)
        device.filler._fill(-row, -row)
        device.filler._commit()
        assert device.filler._complete == (0 if row < 3 else 4)
        assert device.ring.complete_after(0) == device.filler._complete
    assert not device.waited
    for row in range(4):
        check(device, row, has_parameters=False)


def test_what_is_logged_last_counts_wherever_it_is(begin):
    device = begin([99] * 9, has_parameters=False)
    filler = device.filler
    for name, values in {"a": [late(1), 2.0], "b": [3.0, late(4)], "c": [late(5), late(6)]}.items():
        for value in values:
            filler.log(**{name: value})
    filler._log_once("c", 7.0)
    filler._log_once("d", late(8))
    filler.log(forgotten=late(9))
    filler._forget(["forgotten"])
    filler._fill(0, 0.0)
    filler._commit()
    filler._settle()
    (block,) = device.ring.blocks(0, 1)
    found = {name: column[0] for name, column in block.scalars.items() if not np.isnan(column[0])}
    assert found == {"a": 2, "b": 4, "c": 6, "d": 8}


def test_numbers_are_added_to_a_row_that_is_still_under_way(begin):
    device = begin([99] * 9)
    device.filler._fill(0, 0.0)
    device.filler._commit()
    device.filler.log(loss=late(0))
    device.filler.log(a=2.0)
    device.filler._amend()
    (block,) = device.ring.blocks(0, 1)
    assert (block.scalars["loss"][0], block.scalars["a"][0], device.ring.complete) == (0, 2, 1)


def test_an_interruption_while_it_waits_loses_no_row(begin, monkeypatch):
    device = begin([99] * 20, has_parameters=False)
    for row in range(DEPTH):
        device.filler.log(loss=late(-row))
        device.filler._fill(-row, -row)
        device.filler._commit()
    device.filler.log(loss=late(-DEPTH))
    device.filler._fill(-DEPTH, -DEPTH)
    with monkeypatch.context() as patch:
        patch.setattr(Copy, "wait", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            device.filler._commit()
    assert device.filler._recover_row(-DEPTH)
    device.filler._settle()
    assert device.filler._row == device.ring.complete_after(0) == DEPTH + 1
    for row in range(DEPTH + 1):
        check(device, row, has_parameters=False)


def test_the_present_parameters_have_arrived(begin):
    device = begin([99])
    device.filler._present_parameters()
    assert device.ring.rows["probes/w"][0] == 100
    assert device.ring.complete_after(0) == 0
