"""The command line as a process of its own: what it prints without a terminal, and how it is interrupted."""

import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

import dyn

pytestmark = pytest.mark.slow


def start(folder: Path, *arguments: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "dyn", *arguments]
    # Tests that run in the background of a shell inherit an ignored SIGINT, which a user at a terminal does not have.
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed
    )


def test_as_a_real_process(tmp_path):
    process = start(tmp_path, "record", "geometry", "--steps", "20")
    out, err = process.communicate(timeout=300)
    assert (process.returncode, out) == (0, "geometry.h5\n")
    # No progress bar where there is no terminal.
    assert "\r" not in err


def test_interrupting_keeps_what_was_recorded(tmp_path):
    with start(tmp_path, "record", "geometry", "--steps", "1000000") as process:
        try:
            deadline = time.monotonic() + 300
            while not rows_of(tmp_path / "geometry.h5") and time.monotonic() < deadline:
                time.sleep(0.1)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=300)
        finally:
            process.kill()
    assert process.returncode == 130
    assert err.splitlines()[-1] == "dyn: interrupted"
    with dyn.open(tmp_path / "geometry.h5") as recording:
        assert recording.status == "aborted"
        assert len(recording) > 0


def rows_of(path: Path) -> int:
    """Return how many rows a live recording has by now, 0 before it is there."""
    try:
        with dyn.open(path) as recording:
            return len(recording)
    except dyn.dynamics.errors.RecordingError:
        return 0
