"""A row's mark comes after its numbers, also where processors do not keep the order."""

import numpy as np
import pytest

from dyn.recorders.ring import order
from dyn.recorders.ring.order import row_packer

VALUES = (1.5, -2.5, 7, 0.25, 8)


@pytest.mark.parametrize("keeps_order", [True, False])
def test_a_row_is_written_in_either_way(monkeypatch, keeps_order):
    monkeypatch.setattr(order, "KEEPS_ORDER", keeps_order)
    memory = bytearray(56)
    row_packer(2)(memoryview(memory), 8, *VALUES)
    np.testing.assert_array_equal(np.frombuffer(memory, "<f8")[1:3], VALUES[:2])
    assert np.frombuffer(memory, "<i8")[3] == 7
    assert np.frombuffer(memory, "<f8")[4] == 0.25
    np.testing.assert_array_equal(np.frombuffer(memory, "<i8")[[0, 5, 6]], [0, 8, 0])


def test_the_fence_stands_between_the_numbers_and_the_mark(monkeypatch):
    memory, seen = bytearray(b"\xff" * 40), []
    monkeypatch.setattr(order, "KEEPS_ORDER", False)
    monkeypatch.setattr(order, "fence", lambda: seen.append(bytes(memory)))
    row_packer(2)(memoryview(memory), 0, *VALUES)
    assert len(seen) == 1
    assert seen[0][:32] == bytes(memory[:32])
    assert seen[0][32:] == b"\xff" * 8
    assert np.frombuffer(memory, "<i8")[4] == 8


def test_where_the_order_is_kept_nothing_is_paid_for_it(monkeypatch):
    monkeypatch.setattr(order, "KEEPS_ORDER", True)
    monkeypatch.setattr(order, "fence", lambda: 1 / 0)
    row_packer(2)(memoryview(bytearray(40)), 0, *VALUES)
    assert type(row_packer(2)).__name__ == "builtin_function_or_method"


def test_a_fence_lets_everybody_pass():
    order.fence()
    order.fence()
