"""The rows that are still in the ring, and how they follow those in the file."""

import numpy as np
import pytest
import torch

import dyn
from dyn.dynamics.geometry.measures import measure
from dyn.recorders.reading.recording import snapshot_of
from dyn.recorders.ring.channels import array_channel
from dyn.recorders.ring.layout import RowLayout
from dyn.recorders.ring.newest_rows import read_tail
from dyn.recorders.ring.paths import ring_path
from dyn.recorders.ring.ring import Ring, State

CAPACITY = 4


@pytest.fixture
def ring(path):
    """A published ring of four rows with one probe of two numbers."""
    layout = RowLayout("token", 8, (array_channel("probes", "p", np.zeros(2)),))
    ring = Ring.create(ring_path(path), layout, CAPACITY, ("loss",))
    ring.publish()
    yield ring
    ring.release()


def fill(ring: Ring, *rows: int, torn: bool = False) -> None:
    """Put rows into a ring whose every number is that of the row; a *torn* one lacks its mark."""
    for row in rows:
        slot = ring.rows[row % CAPACITY]
        slot["step"], slot["time"], slot["scalars"], slot["probes/p"] = row, row / 8, row, row
        if not torn:
            slot["mark"] = row + 1


def steps(path) -> list[int]:
    tail = read_tail(ring_path(path))
    assert tail is not None
    assert tail.token == "token"
    if tail.block is None:
        return []
    for column in (tail.block.scalars["loss"], *tail.block.channels["probes/p"].T, 8 * tail.block.time):
        np.testing.assert_array_equal(column, tail.block.step)
    return tail.block.step.tolist()


def test_without_a_ring_there_is_no_tail(path):
    assert read_tail(ring_path(path)) is None


@pytest.mark.parametrize("content", [b"", b"text", bytes(100_000)], ids=["empty", "text", "zeros"])
def test_what_is_no_ring_has_no_tail(path, content):
    ring_path(path).write_bytes(content)
    assert read_tail(ring_path(path)) is None


def test_rows_that_are_not_in_the_file_are_the_tail(ring, path):
    assert steps(path) == []
    fill(ring, 0, 1, 2)
    assert steps(path) == [0, 1, 2]
    ring.tail = 2
    assert steps(path) == [2]
    # Around the end of the ring.
    fill(ring, 3, 4, 5)
    assert steps(path) == [2, 3, 4, 5]
    ring.tail = 6
    assert steps(path) == []


def test_a_row_without_its_mark_is_no_row(ring, path):
    fill(ring, 0, 1)
    fill(ring, 2, torn=True)
    assert steps(path) == [0, 1]
    # The slot of a later row still has the mark of an earlier one.
    fill(ring, 2, 3)
    ring.tail = 3
    fill(ring, 4, torn=True)
    assert steps(path) == [3]


def test_a_row_after_a_torn_one_is_none_either(ring, path):
    fill(ring, 0)
    fill(ring, 1, torn=True)
    fill(ring, 2)
    assert steps(path) == [0]


def test_rows_that_left_while_they_were_copied_are_dropped(ring, path, monkeypatch):
    fill(ring, 0, 1, 2, 3)
    complete_after = Ring.complete_after

    def moved_meanwhile(looked_at: Ring, row: int) -> int:
        complete = complete_after(looked_at, row)
        # The writer takes two rows, and the training fills one of their slots and begins with the other.
        ring.tail = 2
        fill(ring, 4)
        fill(ring, 5, torn=True)
        return complete

    monkeypatch.setattr(Ring, "complete_after", moved_meanwhile)
    assert steps(path) == [2, 3]


def test_a_tail_goes_on_until_its_training_says_otherwise(ring, path):
    for state in State:
        ring.state = state
        tail = read_tail(ring_path(path))
        assert tail is not None
        assert tail.goes_on == (state is State.RECORDING)


def test_the_tail_has_features_as_the_file_will(regression, path):
    with dyn.attach(regression.model, regression.optimizer, path) as recorder:
        regression.train(3, recorder)
        with dyn.open(path) as recording:
            assert (snapshot_of(recording).filed, len(recording)) == (0, 3)
            for quantity, expected in measure(recording.parameters["weight"][:])._asdict().items():
                found = recording.features["weight"][quantity]
                assert (found.shape, found.dtype) == ((3, 3), np.float32)
                # Single precision from entries of order one.
                np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_bfloat16_is_the_same_in_the_tail_and_in_the_file(path):
    model = torch.nn.Linear(3, 2, dtype=torch.bfloat16)
    optimizer = torch.optim.SGD(model.parameters())
    with dyn.attach(model, optimizer, path):
        optimizer.step()
        with dyn.open(path) as recording:
            assert snapshot_of(recording).filed == 0
            found = recording.parameters["weight"][0]
    np.testing.assert_array_equal(found, model.weight.detach().float().numpy())
    np.testing.assert_array_equal(dyn.open(path).parameters["weight"][0], found)


@pytest.mark.usefixtures("small_ring")
def test_rows_of_the_file_that_are_recorded_again_are_hidden(make_regression, path):
    first, second = make_regression(), make_regression(lr=0.01)
    with dyn.attach(first.model, first.optimizer, path) as recorder:
        first.train(10, recorder)
    # At step 10 the final row, in the file, is taken again; then the ring has three rows.
    with dyn.attach(second.model, second.optimizer, path, resume=True) as recorder:
        second.train(3, recorder)
        with dyn.open(path) as recording:
            assert (snapshot_of(recording).filed, recording.status) == (10, "recording")
            np.testing.assert_array_equal(recording.step, range(13))
            np.testing.assert_array_equal(recording.scalars["loss"], first.losses + second.losses)
            bias = recording.parameters["bias"]
            np.testing.assert_array_equal(bias[9:11], bias[:][9:11])


def test_the_ring_of_another_recording_is_ignored(recorded, ring):
    # It lies where the recording's own would, since both are of the one path.
    fill(ring, 20, 21)
    assert ring.path == ring_path(recorded)
    with dyn.open(recorded) as recording:
        assert (len(recording), recording.status) == (11, "complete")
