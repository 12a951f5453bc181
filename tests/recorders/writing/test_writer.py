"""Who writes, how a training and its writer wait for each other, and what happens when the writer is gone."""

import os
import resource
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import h5py
import numpy as np
import pytest

import dyn
from dyn.dynamics.errors import SettingError
from dyn.recorders.reading.recording import snapshot_of
from dyn.recorders.ring.paths import ring_path
from dyn.recorders.writing.repair import repair
from dyn.recorders.writing.writer import ProcessWriter


@pytest.fixture
def recorder(regression, path, small_ring) -> Iterator[dyn.Recorder]:
    """A recording by a process, of as many rows at a time as the small ring has."""
    assert small_ring
    recorder = dyn.attach(regression.model, regression.optimizer, path, writer="process")
    yield recorder
    recorder.close()


def writer_of(recorder: dyn.Recorder) -> int:
    assert isinstance(recorder._writer, ProcessWriter)
    return recorder._writer._process.pid


@contextmanager
def stopped(process: int, seconds: float = 300.0) -> Iterator[None]:
    """Stop a process; it goes on at the end, and at the latest after so many seconds."""
    os.kill(process, signal.SIGSTOP)
    (timer := threading.Timer(seconds, go_on, (process,))).start()
    try:
        yield
    finally:
        timer.cancel()
        go_on(process)


def go_on(process: int) -> None:
    # It may have ended meanwhile.
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGCONT)


def train_and_close(run, recorder: dyn.Recorder, steps: int) -> None:
    run.train(steps, recorder)
    recorder.close()


def wait_for_the_file(path, rows: int) -> None:
    """Wait until so many rows are in the file."""
    deadline = time.monotonic() + 300
    while snapshot_of(dyn.open(path)).filed < rows:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def train_until_replaced(run, recorder: dyn.Recorder) -> None:
    while isinstance(recorder._writer, ProcessWriter):
        run.train(1, recorder)


def assert_complete(path, run) -> None:
    rows = len(run.losses) + 1
    with dyn.open(path) as recording:
        assert recording.status == "complete"
        np.testing.assert_array_equal(recording.step, range(rows))
        np.testing.assert_array_equal(recording.scalars["loss"][:-1], run.losses)
        for row in range(rows - 1):
            assert recording.scalars["loss"][row] == pytest.approx(run.loss_of_row(recording, row), rel=1e-6)


def ending(path) -> dict[str, float]:
    with h5py.File(path) as file:
        return {name: float(file.attrs[name]) for name in ("waited", "skipped_rows")}


def test_a_process_writes_what_the_training_would_have_written(make_regression, path, tmp_path, small_ring):
    for file, writer in ((path, "process"), (tmp_path / "inline.h5", "inline")):
        run = make_regression()
        with dyn.attach(run.model, run.optimizer, file, writer=writer) as recorder:
            for k in range(3 * small_ring + 1):
                run.step(recorder, **({"late": k} if k > 6 else {}))
    with dyn.open(path) as recording, dyn.open(tmp_path / "inline.h5") as inline:
        assert len(recording) == 3 * small_ring + 2
        assert (recording.status, list(recording.scalars)) == ("complete", list(inline.scalars))
        for group in ("scalars", "parameters"):
            for name, series in getattr(inline, group).items():
                np.testing.assert_array_equal(getattr(recording, group)[name], series)
        for quantity, series in inline.features["weight"].items():
            np.testing.assert_array_equal(recording.features["weight"][quantity], series)
    assert not ring_path(path).exists()


def test_a_training_that_waits_for_its_writer_loses_no_row(regression, recorder, path, monkeypatch):
    def wait(seconds: float) -> None:
        waits.append(seconds)
        go_on(writer_of(recorder))
        sleep(seconds)

    waits, sleep = [], time.sleep
    with stopped(writer_of(recorder)), monkeypatch.context() as patch:
        patch.setattr("dyn.recorders.writing.writer.time.sleep", wait)
        regression.train(13, recorder)
        assert waits
        assert recorder.waited >= sum(waits)
    recorder.close()
    assert_complete(path, regression)
    assert ending(path)["waited"] == pytest.approx(recorder.waited, abs=2e-6)
    assert ending(path)["skipped_rows"] == 0


def test_a_training_that_does_not_wait_leaves_rows_out_and_says_so(regression, path, small_ring):
    recorder = dyn.attach(regression.model, regression.optimizer, path, writer="process", on_full="skip")
    with stopped(writer_of(recorder)):
        regression.train(small_ring + 5, recorder)
        # The final row waits all the same: without the room that only the writer makes, there is none.
        threading.Timer(0.3, go_on, (writer_of(recorder),)).start()
        recorder.close()
    with dyn.open(path) as recording:
        assert recording.status == "complete"
        np.testing.assert_array_equal(recording.scalars["loss"][:small_ring], regression.losses[:small_ring])
        np.testing.assert_array_equal(recording.step, [*range(small_ring), small_ring + 5])
        np.testing.assert_array_equal(recording.parameters["bias"][-1], regression.state()[1])
    assert ending(path)["skipped_rows"] == 5


def test_what_was_logged_for_a_row_that_is_left_out_goes_with_it(regression, path, small_ring):
    recorder = dyn.attach(regression.model, regression.optimizer, path, writer="process", on_full="skip")
    with stopped(writer_of(recorder)):
        for k in range(small_ring + 2):
            regression.step(recorder, **({"first": k} if k == small_ring else {}))
    wait_for_the_file(path, small_ring - 1)
    regression.step(recorder)
    recorder.close()
    with dyn.open(path) as recording:
        assert np.isnan(recording.scalars["first"]).all()


def test_the_terminal_s_ctrl_c_does_not_reach_the_writer(recorder):
    assert os.getsid(writer_of(recorder)) != os.getsid(0)


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are counted in /proc")
def test_the_writer_has_one_thread_and_leaves_the_cores_to_the_training(regression, path, monkeypatch):
    # As many as NumPy would have on a machine of three cores.
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    with dyn.attach(regression.model, regression.optimizer, path, writer="process") as recorder:
        regression.train(3, recorder)
        wait_for_the_file(path, 2)
        threads = Path(f"/proc/{writer_of(recorder)}/task")
        assert len([*threads.iterdir()]) == 1


@pytest.mark.parametrize("rows", [0, 2, 6])
def test_a_writer_that_is_killed_is_replaced(regression, recorder, path, rows):
    regression.train(rows, recorder)
    if rows > 4:
        wait_for_the_file(path, 2)
    os.kill(writer_of(recorder), signal.SIGKILL)
    os.waitid(os.P_PID, writer_of(recorder), os.WEXITED | os.WNOWAIT)
    message = r"run.h5: its writer was killed by signal 9; the training writes the recording itself"
    with pytest.warns(RuntimeWarning, match=message) as caught:
        train_and_close(regression, recorder, 9)
    assert len(caught) == 1
    assert_complete(path, regression)
    assert not ring_path(path).exists()


def test_a_writer_that_is_killed_while_it_closes_is_replaced(regression, recorder, path, monkeypatch):
    regression.train(6, recorder)

    def killed_first(writer):
        writer._process.kill()
        close(writer)

    close = ProcessWriter.close
    monkeypatch.setattr(ProcessWriter, "close", killed_first)
    recorder.close()
    assert_complete(path, regression)


def test_time_that_was_waited_for_a_lost_writer_counts(recorder, path):
    recorder._writer.waited = 3.0
    os.kill(writer_of(recorder), signal.SIGKILL)
    os.waitid(os.P_PID, writer_of(recorder), os.WEXITED | os.WNOWAIT)
    with pytest.warns(RuntimeWarning, match="killed by signal 9"):
        recorder.close()
    assert ending(path)["waited"] == pytest.approx(3.0)


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs a limit on another process's files")
def test_a_writer_whose_disk_is_full_ends_the_recording_and_not_the_training(regression, path, small_ring):
    probes = {"big": lambda _: np.zeros(40_000)}
    recorder = dyn.attach(regression.model, regression.optimizer, path, probes=probes, writer="process")
    limit = (path.stat().st_size + 2_000_000, resource.RLIM_INFINITY)
    resource.prlimit(writer_of(recorder), resource.RLIMIT_FSIZE, limit)
    message = r"run.h5 ended after \d+ rows: .*File too large.*; the training goes on"
    with pytest.warns(RuntimeWarning, match=message) as caught:
        regression.train(40, recorder)
    recorder.close()
    rows = int(str(caught[0].message).split(" ended after ")[1].split()[0])
    assert len(caught) == 1
    assert len(regression.losses) == 40
    with dyn.open(path) as recording:
        assert (recording.status, len(recording)) == ("aborted", rows)
        # Some are in the file, and those that had no place there are still in the ring.
        assert 0 < snapshot_of(recording).filed <= rows - small_ring
        np.testing.assert_array_equal(recording.scalars["loss"], regression.losses[:rows])
        loss = regression.loss_of_row(recording, rows - 1)
        assert loss == pytest.approx(regression.losses[rows - 1], rel=1e-6)
    # There is room again.
    assert repair(path).rows == rows
    np.testing.assert_array_equal(dyn.open(path).step, range(rows))


def test_derive_needs_a_writer_in_this_process_and_says_so(regression, recorder, path):
    regression.train(2, recorder)
    recorder.log(note=1)
    with pytest.raises(SettingError, match=r"derive\(\) computes in the training's own process.*writer='inline'"):
        recorder.derive(lambda parameters: {"total": parameters["bias"].sum(1)})
    regression.train(5, recorder)
    recorder.close()
    assert_complete(path, regression)
    np.testing.assert_array_equal(dyn.open(path).scalars["note"], [np.nan, np.nan, 1, *[np.nan] * 5])


def test_an_impatient_user_may_interrupt_the_end(regression, recorder, path, monkeypatch):
    regression.train(6, recorder)
    with stopped(writer_of(recorder)), monkeypatch.context() as patch:
        patch.setattr("dyn.recorders.writing.writer.time.sleep", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            recorder.close()
    with warnings.catch_warnings(action="error"):
        recorder.close()
    assert_complete(path, regression)


@pytest.mark.parametrize("moment", ["training", "closing"])
@pytest.mark.parametrize("on_full", ["wait", "skip"])
def test_a_writer_that_hangs_is_ended_and_replaced(regression, path, small_ring, monkeypatch, moment, on_full):
    monkeypatch.setattr("dyn.recorders.writing.writer._PATIENCE", 0.2)
    recorder = dyn.attach(regression.model, regression.optimizer, path, writer="process", on_full=on_full)
    with stopped(writer_of(recorder)):
        regression.train(small_ring - 1, recorder)
        if moment == "training":
            with pytest.warns(RuntimeWarning, match=r"its writer did nothing for 0\.2 seconds; the training writes"):
                train_until_replaced(regression, recorder)
        recorder.close()
    with dyn.open(path) as recording:
        assert recording.status == "complete"
        assert len(recording) == len(set(recording.step[:])) >= small_ring


def test_one_that_cannot_be_ended_is_left_and_the_training_goes_on(regression, path, small_ring, monkeypatch):
    monkeypatch.setattr("dyn.recorders.writing.writer._PATIENCE", 0.1)
    monkeypatch.setattr("dyn.recorders.writing.writer._DYING", 0.1)
    recorder = dyn.attach(regression.model, regression.optimizer, path, writer="process")
    process = recorder._writer._process
    monkeypatch.setattr(process, "kill", lambda: None)
    with stopped(process.pid):
        with pytest.warns(RuntimeWarning, match="its writer hangs, and cannot be ended; the training goes on"):
            regression.train(small_ring + 1, recorder)
        regression.train(2, recorder)
        assert len(dyn.open(path)) == small_ring
    # It finishes by itself.
    process.wait(30)


def test_a_writer_sees_that_another_program_has_the_trainings_place(path):
    """Its process has the number that it had, and no recording."""
    program = f"""
import os, sys, torch, dyn
model = torch.nn.Linear(3, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
recorder = dyn.attach(model, optimizer, {str(path)!r}, writer="process")
for _ in range(5):
    model(torch.ones(3)).sum().backward()
    optimizer.step()
os.execv("/bin/sleep", ["sleep", "60"])
"""
    with subprocess.Popen([sys.executable, "-c", program]) as training:
        try:
            wait_for(lambda: path.exists() and dyn.open(path).status == "aborted")
            assert training.poll() is None
            assert len(dyn.open(path)) == 5
            wait_for(lambda: not ring_path(path).exists())
        finally:
            training.kill()
