"""A recording is read, again and again, while another process writes it: no row is torn, and no look fails."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import dyn

PROGRAM = Path(__file__).with_name("live_training.py")
# So many looks at least, and more until so many lengths were seen, however slowly the training goes beside other work.
POLLS, LENGTHS = 100, 10
PATIENCE = 300


@contextmanager
def training(path: Path, writer: str) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, PROGRAM, path, writer])
    try:
        deadline = time.monotonic() + PATIENCE
        while not path.exists():
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.01)
        yield
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


def assert_rows_are_right(recording: dyn.Recording) -> None:
    rows = np.arange(len(recording))
    np.testing.assert_array_equal(recording.step[:], rows)
    for name in ("weight", "bias"):
        values = recording.parameters[name][:]
        np.testing.assert_array_equal(values.T, np.broadcast_to(rows, values.T.shape))
    for name, values in recording.scalars.items():
        # What no row of the snapshot has logged is NaN, and so is the loss of the final row.
        logged = ~np.isnan(values[:])
        if name != "lr":
            np.testing.assert_array_equal(values[:][logged], rows[logged])
    assert np.isnan(recording.scalars["loss"][:]).sum() <= 1


@pytest.mark.slow
@pytest.mark.parametrize("writer", ["inline", "process"])
def test_no_look_at_a_running_recording_finds_a_wrong_row(path, writer):
    lengths, poll = set(), 0
    with training(path, writer):
        recording = dyn.open(path)
        while poll < POLLS or len(lengths) <= LENGTHS:
            # It runs meanwhile.
            assert poll < 100 * POLLS, f"{len(lengths)} lengths seen in {poll} looks"
            if poll % 3 == 0 or recording.status != "recording":
                recording.close()
                recording = dyn.open(path)
            else:
                recording.refresh()
            assert_rows_are_right(recording)
            lengths.add(len(recording))
            poll += 1
        recording.close()
