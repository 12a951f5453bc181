"""Whatever happens to the recording, the training goes on and what was recorded can be read."""

import fcntl
import json
import os
import subprocess
import sys
import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch

import dyn
from dyn.dynamics.errors import RecordingError, SettingError
from dyn.recorders.ring.paths import ring_path
from dyn.recorders.writing.repair import repair


def assert_rows_are_right(path, run, *, rows, status="aborted"):
    with dyn.open(path) as recording:
        assert recording.status == status
        np.testing.assert_array_equal(recording.step, range(rows))
        for row in range(min(rows, len(run.losses))):
            assert recording.scalars["loss"][row] == pytest.approx(run.loss_of_row(recording, row), rel=1e-6)


def reshape(model):
    model.weight.data, model.weight.grad = torch.zeros(5, 3), None


def take_two_rows(model):
    # The address of the memory stays the same.
    model.weight.data, model.weight.grad = model.weight.data[:2], None


@pytest.mark.parametrize("change", [reshape, take_two_rows])
def test_a_parameter_that_changes_its_shape_ends_the_recording(regression, path, change):
    with dyn.attach(regression.model, regression.optimizer, path) as recorder:
        regression.train(5, recorder)
        change(regression.model)
        with pytest.warns(RuntimeWarning, match=r"run.h5 ended after 5 rows.*'weight' changed its shape") as caught:
            regression.optimizer.step()
        assert len(caught) == 1
        with warnings.catch_warnings(action="error"):
            regression.optimizer.step()
            recorder.log(loss=1)
    assert_rows_are_right(path, regression, rows=5)
    assert not regression.optimizer._optimizer_step_pre_hooks


def test_raise_is_the_other_choice(regression, path):
    recorder = dyn.attach(regression.model, regression.optimizer, path, on_error="raise")
    regression.train(3, recorder)
    reshape(regression.model)
    with pytest.raises(RecordingError, match="ended after 3 rows"):
        regression.optimizer.step()
    assert_rows_are_right(path, regression, rows=3)
    regression.optimizer.step()


@pytest.mark.parametrize("failure", [lambda k: 1 / (3 - k), lambda k: np.zeros(1 + (k > 3))], ids=["raises", "grows"])
def test_a_probe_that_fails_ends_the_recording(regression, path, failure):
    # Called once by attach(), so that call k makes row k - 1.
    calls = iter(range(100))
    probes = {"p": lambda _: failure(next(calls))}
    recorder = dyn.attach(regression.model, regression.optimizer, path, probes=probes)
    with pytest.warns(RuntimeWarning, match="the training goes on"):
        regression.train(6, recorder)
    assert_rows_are_right(path, regression, rows=len(dyn.open(path)))
    assert len(dyn.open(path)) in (2, 3)


FULL_DISK = """
import json, resource, sys, warnings
import dyn, numpy, torch

def train(path, limit):
    x = torch.rand(8, 3, generator=torch.Generator().manual_seed(0))
    model = torch.nn.Linear(3, 4)
    torch.nn.init.ones_(model.weight)
    torch.nn.init.zeros_(model.bias)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    recorder = dyn.attach(model, optimizer, path, probes={"big": lambda _: numpy.zeros(100_000)}, writer="inline")
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    losses = []
    for step in range(60):
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        recorder.log(loss=loss)
        losses.append(loss.item())
        optimizer.step()
    recorder.close()
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return losses

for path, limit in zip(sys.argv[1::2], map(int, sys.argv[2::2])):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        losses = train(path, limit)
    print(json.dumps({"warnings": [str(each.message) for each in caught], "losses": losses}))
"""


def train_with_files_limited_to(limits: dict[Path, int]) -> list[dict]:
    """Train in a process whose files cannot grow beyond so many bytes, which is what a full disk looks like."""
    command = [sys.executable, "-c", FULL_DISK, *(str(each) for pair in limits.items() for each in pair)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.slow
def test_a_full_disk_ends_the_recording_and_not_the_training(tmp_path):
    # Full before the first rows are written, and after.
    limits = {tmp_path / "roomy.h5": 2**30, tmp_path / "early.h5": 30_000, tmp_path / "late.h5": 18_000_000}
    roomy, *full = train_with_files_limited_to(limits)
    assert roomy["warnings"] == []
    for path, run in zip(list(limits)[1:], full, strict=True):
        (warning,) = run["warnings"]
        assert "File too large" in warning
        assert "the training goes on" in warning
        assert "\n" not in warning
        assert run["losses"] == roomy["losses"]
        rows = int(warning.split(" ended after ")[1].split()[0])
        # The rows that the file could not take are read from the ring; and written, once there is room.
        assert_begins_as(path, tmp_path / "roomy.h5", rows, status="aborted")
        assert repair(path).rows == rows
        assert not ring_path(path).exists()
        assert_begins_as(path, tmp_path / "roomy.h5", rows, status="repaired")


def assert_begins_as(path, other, rows: int, *, status: str) -> None:
    with dyn.open(path) as short, dyn.open(other) as whole:
        assert (short.status, len(short), len(whole)) == (status, rows, 61)
        assert 0 < rows < 61
        for group, name in (("parameters", "weight"), ("scalars", "loss"), ("probes", "big")):
            np.testing.assert_array_equal(getattr(short, group)[name], getattr(whole, group)[name][:rows])


@pytest.mark.usefixtures("small_ring")
def test_a_reader_that_holds_a_lock_does_not_end_the_recording(regression, path):
    with dyn.attach(regression.model, regression.optimizer, path) as recorder:
        regression.train(6, recorder)
        with path.open("rb") as reader:
            fcntl.flock(reader, fcntl.LOCK_SH | fcntl.LOCK_NB)
            recorder.log(late=1)
            regression.train(6, recorder)
    assert_rows_are_right(path, regression, rows=13, status="complete")


@pytest.mark.parametrize("names", [("train", "train/loss"), ("train/loss", "train")])
def test_names_that_collide_in_the_file_do_not_end_the_recording(regression, path, names):
    with dyn.attach(regression.model, regression.optimizer, path) as recorder:
        for name in names:
            # One of them may be refused, but at once.
            with suppress(SettingError):
                recorder.log(**{name: 1})
        regression.train(2, recorder)
    assert_rows_are_right(path, regression, rows=3, status="complete")


FORK = """
import os, sys
import dyn, torch
from dyn.recorders.writing import start
from dyn.recorders.ring.paths import ring_path
start._RING_ROWS = start._LEAST_ROWS = 8
model = torch.nn.Linear(3, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
recorder = dyn.attach(model, optimizer, sys.argv[1])

def train(steps):
    for _ in range(steps):
        model(torch.ones(3)).sum().backward()
        optimizer.step()

train(5)
child = os.fork()
if not child:
    # More rows than the ring holds.
    train(20)
    recorder.close()
    os._exit(0)
os.waitpid(child, 0)
train(5)
recorder.close()
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_that_trains_does_not_touch_the_recording(path):
    subprocess.run([sys.executable, "-c", FORK, str(path)], check=True, timeout=300)
    with dyn.open(path) as recording:
        assert recording.status == "complete"
        np.testing.assert_array_equal(recording.step, range(11))


def test_failing_between_other_hooks_does_not_end_the_training(regression, path):
    seen = []
    optimizer = regression.optimizer
    recorder = dyn.attach(regression.model, optimizer, path, probes={"p": lambda _: 1 / (2 - len(seen))})
    optimizer.register_step_pre_hook(lambda *_: seen.append("pre"))
    optimizer.register_step_post_hook(lambda *_: None)
    with pytest.warns(RuntimeWarning, match="the training goes on"):
        regression.train(5, recorder)
    assert len(seen) == 5
    recorder.close()
    assert len(optimizer._optimizer_step_pre_hooks) == len(optimizer._optimizer_step_post_hooks) == 1
