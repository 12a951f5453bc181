"""The ring: rows in, blocks out, in order and once."""

import math

import numpy as np
import pytest

from dyn.recorders.channels import array_channel
from dyn.recorders.ring import Ring

CAPACITY = 4


def fill(ring: Ring, count: int) -> None:
    """Put rows into the ring whose every value is their number."""
    for _ in range(count):
        slot = ring.slot
        ring.step[slot] = ring.head
        ring.time[slot] = ring.head
        ring.columns["probes/p"][slot] = ring.head
        ring.scalar("loss")[slot] = ring.head
        ring.commit()


@pytest.fixture
def ring() -> Ring:
    return Ring([array_channel("probes", "p", np.zeros(2))], CAPACITY)


def drain(ring: Ring) -> list[int]:
    """Take every block; return the numbers of the rows."""
    numbers = []
    for block in ring.blocks():
        rows = block.step.tolist()
        assert len(block) == len(rows) == len(block.time) <= CAPACITY
        np.testing.assert_array_equal(block.time, rows)
        np.testing.assert_array_equal(block.scalars["loss"], rows)
        np.testing.assert_array_equal(block.channels["probes/p"], np.transpose([rows, rows]))
        numbers += rows
    return numbers


@pytest.mark.parametrize("sizes", [[1], [4], [3, 3, 3], [4, 4], [2, 4, 1, 3]])
def test_rows_come_out_in_order_and_once(ring, sizes):
    seen = []
    for size in sizes:
        fill(ring, size)
        seen += drain(ring)
        assert drain(ring) == []
    assert seen == list(range(sum(sizes)))


def test_an_empty_ring_has_no_blocks(ring):
    assert list(ring.blocks()) == []


def test_the_row_under_way_is_not_handed_out(ring):
    fill(ring, 2)
    ring.step[2] = 99
    assert drain(ring) == [0, 1]


@pytest.mark.parametrize(("rows", "room"), [(0, 4), (3, 1), (4, 0)])
def test_room(ring, rows, room):
    fill(ring, rows)
    assert ring.room == room
    drain(ring)
    assert ring.room == CAPACITY


def test_scalars_are_absent_until_they_are_put(ring):
    fill(ring, 2)
    ring.scalar("late")[1] = 7
    for block in ring.blocks():
        np.testing.assert_array_equal(block.scalars["late"], [math.nan, 7])
    # The slots come round again, and the numbers of their last round are gone.
    fill(ring, 4)
    assert all(np.isnan(block.scalars["late"]).all() for block in ring.blocks())
