"""The ring: rows in, blocks out, in order and once, for whoever has mapped its file."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dyn.recorders.ring.channels import array_channel
from dyn.recorders.ring.layout import MESSAGE_ROOM, NAMES_ROOM, RowLayout
from dyn.recorders.ring.ring import Ring, State

CAPACITY, ROOM = 5, 4
LAYOUT = RowLayout("token", ROOM, (array_channel("probes", "p", np.zeros(2)),))


@pytest.fixture
def make(tmp_path) -> Iterator:
    rings = []

    def create(layout: RowLayout = LAYOUT, path: Path = tmp_path / "run.h5.ring") -> Ring:
        rings.append(Ring.create(path, layout, CAPACITY, ("loss", "lr")))
        rings[-1].publish()
        return rings[-1]

    yield create
    for ring in rings:
        ring.release()


@pytest.fixture
def ring(make) -> Ring:
    return make()


def put(ring: Ring, row: int) -> None:
    """Put the next row, whose every value is its number."""
    begin(ring, row)
    ring.rows["mark"][row % CAPACITY] = row + 1


def begin(ring: Ring, row: int) -> None:
    slot = row % CAPACITY
    for name in ("step", "time", "probes/p"):
        ring.rows[name][slot] = row
    # The first name lies last.
    ring.rows["scalars"][slot] = [np.nan, np.nan, -row, row]


def drain(ring: Ring, start: int, stop: int) -> list[int]:
    """Take the blocks; return the numbers of their rows."""
    numbers = []
    for block in ring.blocks(start, stop):
        rows = block.step.tolist()
        assert 0 < len(block) == len(rows) <= CAPACITY
        np.testing.assert_array_equal(block.time, rows)
        np.testing.assert_array_equal(block.scalars["loss"], rows)
        np.testing.assert_array_equal(block.scalars["lr"], np.negative(rows))
        np.testing.assert_array_equal(block.channels["probes/p"], np.transpose([rows, rows]))
        numbers += rows
    return numbers


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 2 * CAPACITY)), max_size=30))
def test_rows_come_out_in_order_and_once(make, moves):
    """Against a plain list of the rows that are complete and not yet taken."""
    ring, waiting, head = make(), [], 0
    other = Ring.open(ring.path)
    for is_fill, count in moves:
        for _ in range(min(count, CAPACITY - len(waiting)) if is_fill else 0):
            put(ring, head)
            waiting.append(head)
            head += 1
        if not is_fill:
            taken = min(count, len(waiting))
            assert drain(ring, ring.tail, ring.tail + taken) == waiting[:taken]
            del waiting[:taken]
            ring.tail += taken
        assert ring.tail == other.tail == head - len(waiting)
        for k in range(len(waiting) + 1):
            assert other.complete_after(other.tail + k) == len(waiting) - k
        assert drain(other, other.tail, head) == waiting
    ring.release()


def test_a_row_under_way_is_not_complete(ring):
    put(ring, 0)
    begin(ring, 1)
    assert (ring.complete_after(0), ring.complete_after(1)) == (1, 0)


def test_a_torn_row_in_the_place_of_an_old_one_is_not_complete(ring):
    for row in range(CAPACITY + 2):
        put(ring, row)
    ring.tail = 3
    begin(ring, CAPACITY + 2)
    # Its slot has the mark of row 2.
    assert ring.rows["mark"][2] == 3
    assert ring.complete_after(3) == CAPACITY - 1
    assert ring.complete_after(CAPACITY + 2) == 0


def test_blocks_are_not_copies(ring):
    put(ring, 0)
    (block,) = ring.blocks(0, 1)
    assert np.shares_memory(block.channels["probes/p"], ring.rows["probes/p"])
    assert list(ring.blocks(0, 0)) == []


def test_a_block_of_some_rows(ring):
    for row in range(4):
        put(ring, row)
    (block,) = ring.blocks(0, 4)
    taken = block.take(np.array([1, 3]))
    assert (taken.step.tolist(), taken.scalars["loss"].tolist(), len(taken)) == ([1, 3], [1, 3], 2)


def test_names_come_up_while_another_mapping_reads(ring, monkeypatch):
    other, seen = Ring.open(ring.path), []
    put(ring, 0)
    set_word = ring._set_word
    monkeypatch.setattr(ring, "_set_word", lambda *word: seen.extend((other.names, set_word(*word), other.names)))
    assert ring.add_names(["größe"])
    # Before the last of the writes it sees those that were there, and after it all of them.
    assert seen == [["loss", "lr"], None, ["loss", "lr", "größe"]]
    assert other.names == ring.names == ["loss", "lr", "größe"]
    ring.rows["scalars"][0, -3] = 7
    (block,) = other.blocks(0, 1)
    assert {name: column.tolist() for name, column in block.scalars.items()} == {"loss": [0], "lr": [0], "größe": [7]}


def test_there_is_room_for_so_many_names(ring):
    assert not ring.add_names(["a", "b", "c"])
    assert not ring.add_names(["x" * NAMES_ROOM])
    assert ring.names == ["loss", "lr"]
    assert ring.add_names(["a", "b"])
    assert not ring.add_names(["c"])
    assert ring.names == ["loss", "lr", "a", "b"]


def test_words_are_there_for_every_mapping(ring):
    other = Ring.open(ring.path)
    assert (other.state, other.message, other.tail, other.names) == (State.RECORDING, "", 0, ["loss", "lr"])
    assert other.ending == {"waited": 0, "skipped_rows": 0}
    ring.note(waited=1.5, skipped=3)
    ring.state = State.COMPLETE
    assert other.state is State.COMPLETE
    assert other.ending == {"waited": 1.5, "skipped_rows": 3}
    writer = Ring.open(ring.path, writable=True)
    writer.tail, writer.message = 2**40, "no space left on größe"
    assert (ring.tail, ring.message) == (2**40, "no space left on größe")
    writer.message = "short"
    assert ring.message == "short"


@pytest.mark.parametrize("tail", [0, 2, 3])
def test_the_last_row_is_final_if_it_is_the_one_that_was_announced(ring, tail):
    for row in range(2):
        put(ring, row)
    ring.tail = min(tail, 2)
    assert ring.ending["final_row"] == 0
    ring.announce_final(2)
    assert (ring.complete, ring.ending["final_row"]) == (2, 0)
    put(ring, 2)
    ring.tail = tail
    assert (ring.complete, ring.ending["final_row"]) == (3, 1)


@pytest.mark.parametrize("text", ["", "x" * 5000, "ß" * 5000, "a\udc80b"])
def test_a_message_of_any_kind_is_kept_as_far_as_it_fits(ring, text):
    ring.message = text
    assert ring.message[:3] == text.encode(errors="replace").decode()[:3]
    assert len(ring.message.encode()) <= MESSAGE_ROOM + 2
    assert ring.layout == Ring.open(ring.path).layout
