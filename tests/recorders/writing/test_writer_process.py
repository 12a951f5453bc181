"""The writer as a process: here within this one, told of a parent that lives or does not."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import h5py
import numpy as np
import pytest

from dyn.recorders.file.creation import create_file
from dyn.recorders.ring.channels import array_channel
from dyn.recorders.ring.layout import RowLayout
from dyn.recorders.ring.paths import ring_path
from dyn.recorders.ring.ring import Ring, State
from dyn.recorders.writing.writer_process import main

CAPACITY = 16
NO_PROCESS = -1


@pytest.fixture
def ring(path):
    """The ring of a recording of the loss and one probe."""
    channels = (array_channel("probes", "p", np.zeros(2)),)
    create_file(path, channels, ["loss"], config="{}", token="abc")
    ring = Ring.create(ring_path(path), RowLayout("abc", 8, channels), CAPACITY, ("loss",))
    ring.publish()
    yield ring
    ring.release()


@pytest.fixture
def write(path) -> Callable[..., int]:
    """The process's main(), with this process's parent as the training unless told otherwise; its exit status."""

    def run(training: int | None = None, trigger: dict | None = None, *, exchanged: bool = False) -> int:
        status = []
        lifeline, kept = os.pipe()
        if exchanged:
            os.close(kept)

        def target() -> None:
            try:
                parent = os.getppid() if training is None else training
                main(str(ring_path(path)), str(path), parent, lifeline, trigger)
                status.append(0)
            except SystemExit as exit:
                status.append(exit.code)

        # In a thread, so that one that never ends fails the test.
        thread = threading.Thread(target=target, daemon=True)
        thread.start()
        thread.join(300)
        return status[0]

    return run


def fill(ring: Ring, start: int, stop: int) -> None:
    for row in range(start, stop):
        slot = ring.rows[row % CAPACITY]
        slot["step"], slot["time"], slot["scalars"], slot["probes/p"], slot["mark"] = row, row / 8, row, row, row + 1


def assert_rows(path, steps, status: str) -> None:
    with h5py.File(path) as file:
        assert (file.attrs["status"], file["committed"][0]) == (status, len(steps))
        np.testing.assert_array_equal(file["step"], steps)
        for column in (file["scalars/loss"], *file["probes/p"][:].T):
            np.testing.assert_array_equal(column, steps)


@pytest.mark.parametrize(("state", "status"), [(State.COMPLETE, "complete"), (State.ABORTED, "aborted")])
def test_the_rows_of_a_training_that_has_ended(ring, path, write, state, status):
    fill(ring, 0, 5)
    ring.state = state
    assert write() == 0
    assert_rows(path, range(5), status)
    # The training deletes it.
    assert ring_path(path).exists()
    assert ring.tail == 5


def test_the_rows_of_a_training_that_is_gone(ring, path, write):
    fill(ring, 0, 5)
    assert write(training=NO_PROCESS) == 0
    assert_rows(path, range(5), "aborted")
    assert not ring_path(path).exists()


def test_the_rows_of_a_training_whose_process_is_another_program_by_now(ring, path, write):
    fill(ring, 0, 5)
    assert write(exchanged=True) == 0
    assert_rows(path, range(5), "aborted")
    assert not ring_path(path).exists()


def test_rows_are_written_as_they_come_but_the_newest(ring, path, write):
    """Which may still get numbers from another optimizer, until the next one begins."""
    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    for stop in (3, 9, 17, 22):
        fill(ring, ring.complete, stop)
        wait_for(lambda stop=stop: ring.tail == stop - 1)
    time.sleep(0.01)
    assert ring.tail == 21
    ring.state = State.COMPLETE
    thread.join(300)
    assert not thread.is_alive()
    assert_rows(path, range(22), "complete")


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_a_trigger_is_heeded(ring, path, write):
    fill(ring, 0, 13)
    ring.state = State.COMPLETE
    assert write(trigger={"sparse": 5, "before": 2, "after": 2, "drop": 0.5, "span": 10}) == 0
    # The sparse rows, and the last one.
    assert_rows(path, [0, 5, 10, 12], "complete")


def test_what_fails_is_said_in_the_ring(ring, path, write):
    path.write_bytes(b"no recording")
    fill(ring, 0, 5)
    assert write() == 1
    assert "file signature not found" in ring.message
    assert ring.tail == 0


def test_without_a_ring_there_is_nothing_to_do(write):
    assert write() == 1


def test_it_loads_no_torch():
    program = "import sys, dyn.recorders.writing.writer_process; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout == "False\n"
