"""Running a sweep: resumed, with points that fail and workers that die, always to the same file."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dyn.dynamics.errors import OutputExistsError, RecordingError
from dyn.recorders.sweeps.paper import plan_sweep
from dyn.recorders.sweeps.run import run_sweep, run_task
from dyn.recorders.sweeps.sweep import Sweep
from dyn.recorders.sweeps.task_files import SealedFolder
from dyn.recorders.sweeps.tasks import SweepTask

SMALL = ("n_features=4", "n_hidden=2", "batch_size=16", "evaluation_size=64", "density=0.5")
needs_kill = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 on this system")


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "sweep.h5"


@pytest.fixture
def whole(small, tmp_path) -> bytes:
    """The result of the small sweep when nothing happens."""
    path = tmp_path / "whole.h5"
    run_sweep(small, path, workers=1)
    return path.read_bytes()


def folder_of(path: Path) -> SealedFolder:
    return SealedFolder(Path(f"{path}.tasks"))


def test_one_worker_and_two_give_the_same_file(small, whole, path):
    outcome = run_sweep(small, path, workers=2)
    assert (outcome.trained, outcome.found, outcome.failures) == (4, 0, ())
    assert path.read_bytes() == whole
    assert not folder_of(path).path.exists()


def test_a_worker_keeps_the_memory_that_it_frees(small, path, monkeypatch):
    kept = []
    monkeypatch.setattr("dyn.recorders.sweeps.run.keep_freed_memory", lambda: kept.append(True))
    run_sweep(small, path, workers=1)
    assert kept == [True] * 4


@pytest.mark.parametrize("recorded", [False, True])
def test_models_that_diverge_are_counted(recorded, path):
    # Of single precision the greatest number is 3e38.
    plan = plan_sweep("energy-levels", ["lr=0.01,1e39,1e40"], (*SMALL, "steps=20"), repeat=3, recorded=recorded)
    outcome = run_sweep(plan, path, workers=1)
    assert (outcome.diverged, outcome.failures) == (6, ())


def test_what_is_sealed_is_not_trained_again(small, whole, path, monkeypatch):
    for task in small.cut()[0][:3]:
        folder_of(path).seal(task.name, task.train())
    told = []
    outcome = run_sweep(small, path, workers=1, report=lambda *done: told.append(done))
    assert (outcome.trained, outcome.found) == (1, 3)
    assert told[-1] == (4, 4)
    assert path.read_bytes() == whole
    # All of it sealed, nothing is trained at all.
    for task in small.cut()[0]:
        folder_of(path).seal(task.name, task.train())
    monkeypatch.setattr(SweepTask, "train", lambda _: 1 / 0)
    assert run_sweep(small, path).trained == 0


def test_a_point_that_fails_is_told_and_tried_again_on_request(troubled, whole, path):
    plan = troubled("raise")
    outcome = run_sweep(plan, path, workers=2)
    assert [str(each) for each in outcome.failures] == ["lr=0.03: ValueError: out of luck"]
    with Sweep(path) as sweep:
        assert sweep.failures == ["lr=0.03: ValueError: out of luck"]
        assert np.isnan(sweep["expected_loss"]).all(axis=1).tolist() == [False, True, False, False]
    # Once more without being asked to retry: nothing is trained, and it is told again.
    again = run_sweep(plan, path, workers=2)
    assert (again.trained, again.found, len(again.failures)) == (0, 4, 1)
    plan.file.unlink()
    mended = run_sweep(plan, path, workers=2, retry=True)
    assert (mended.trained, mended.found, mended.failures) == (1, 3, ())
    assert path.read_bytes() == whole


@pytest.mark.slow
@needs_kill
def test_a_worker_that_dies_costs_no_more_than_its_tasks(troubled, whole, path):
    outcome = run_sweep(troubled("kill once"), path, workers=2)
    assert outcome.failures == ()
    assert path.read_bytes() == whole


def test_a_task_that_kills_every_worker_fails_alone(small, path, monkeypatch):
    class Deadly:
        """An engine that runs one task after the other, until one kills it and all that were to come."""

        def __init__(self, *_, **__):
            pass

        def __call__(self, jobs):
            for function, arguments, _ in jobs:
                if arguments and arguments[0].experiment.lr == 0.03:
                    raise RuntimeError("a worker was terminated")
                function(*arguments)

    monkeypatch.setattr("dyn.recorders.sweeps.run._Parallel", Deadly)
    outcome = run_sweep(small, path)
    (failure,) = outcome.failures
    assert failure.points == {"lr": 0.03}
    assert failure.reason == "its worker died: a worker was terminated"
    with Sweep(path) as sweep:
        assert np.isnan(sweep["expected_loss"]).all(axis=1).tolist() == [False, True, False, False]


def test_a_cluster_that_went_away_is_no_fault_of_the_tasks(small, whole, path, monkeypatch):
    class Gone:
        def __init__(self, *_, **__):
            pass

        def __call__(self, _jobs):
            raise RuntimeError("connection lost")

    with monkeypatch.context() as patch, pytest.raises(RecordingError, match=r"workers are gone \(connection lost\)"):
        patch.setattr("dyn.recorders.sweeps.run._Parallel", Gone)
        run_sweep(small, path)
    assert run_sweep(small, path, workers=1).trained == 4
    assert path.read_bytes() == whole


def test_a_worker_that_does_not_share_the_folder_is_told(small, tmp_path):
    with pytest.raises(RecordingError, match=r"a disk that workers share"):
        run_task(small.cut()[0][0], SealedFolder(tmp_path / "elsewhere"))
    assert not (tmp_path / "elsewhere").exists()


def test_results_that_do_not_arrive_end_the_sweep(small, path, monkeypatch):
    # A folder of the same path on another machine, where a task is sealed and never seen.
    monkeypatch.setattr("dyn.recorders.sweeps.run.run_task", lambda *_: None)
    with pytest.raises(RecordingError, match=r"results do not arrive"):
        run_sweep(small, path, workers=1)


def test_a_full_disk_ends_the_sweep_until_there_is_room(small, whole, path, monkeypatch):
    tasks, replace = small.cut()[0], Path.replace

    def full(self, target):
        if tasks[1].name in target.name:
            raise OSError(28, "No space left on device")
        return replace(self, target)

    with monkeypatch.context() as patch, pytest.raises(RecordingError, match=r"No space left on device"):
        patch.setattr(Path, "replace", full)
        run_sweep(small, path, workers=1)
    assert run_sweep(small, path, workers=1).found == 1
    assert path.read_bytes() == whole


def test_damaged_files_are_trained_again(small, whole, path):
    folder = folder_of(path)
    first, second, third, _ = small.cut()[0]
    for task in (first, second):
        folder.seal(task.name, task.train())
    folder.fail(third.name, "it went wrong")
    cut, changed, note = (
        folder.path / name for name in (f"{first.name}.npz", f"{second.name}.npz", f"{third.name}.failed")
    )
    cut.write_bytes(cut.read_bytes()[:100])
    damaged = bytearray(changed.read_bytes())
    # In the middle of the first array, where its checksum alone tells.
    damaged[len(damaged) // 8] ^= 255
    changed.write_bytes(damaged)
    note.write_bytes(b'"it we')
    outcome = run_sweep(small, path, workers=1)
    assert (outcome.found, outcome.trained, outcome.failures) == (0, 4, ())
    assert path.read_bytes() == whole


KILLED = """
import os, signal
from dyn.cli import main
from dyn.recorders.sweeps.tasks import SweepTask

def train_two(task):
    trained.append(task)
    if len(trained) > 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return train(task)

train, trained = SweepTask.train, []
SweepTask.train = train_two
main()
"""


@pytest.mark.slow
@needs_kill
def test_a_sweep_that_was_killed_goes_on_where_it_was(path):
    over, settings = "lr=lin:0.01:0.08:8", [*SMALL, "steps=30"]
    command = [sys.executable, "-c", KILLED, "sweep", "energy-levels", "--over", over, "--workers", "1", "-o", path]
    done = subprocess.run([*command, *(part for each in settings for part in ("--set", each))], check=False)
    assert done.returncode == -signal.SIGKILL
    outcome = run_sweep(plan_sweep("energy-levels", [over], settings), path, workers=1)
    assert (outcome.found, outcome.trained) == (2, 6)


def test_a_result_is_replaced_only_on_request(small, whole, path):
    run_sweep(small, path, workers=1)
    with pytest.raises(OutputExistsError, match="overwrite=True"):
        run_sweep(small, path, workers=1)
    path.write_bytes(b"old")
    run_sweep(small, path, workers=1, overwrite=True)
    assert path.read_bytes() == whole


def test_a_file_that_is_no_result_is_not_replaced_by_resuming(small, path):
    task = small.cut()[0][0]
    folder_of(path).seal(task.name, task.train())
    path.write_bytes(b"precious")
    with pytest.raises(OutputExistsError, match=r"exists already"):
        run_sweep(small, path, workers=1)
    assert path.read_bytes() == b"precious"


def test_two_sweeps_do_not_write_one_result_at_once(small, path):
    def again(_done: int, _total: int) -> None:
        with pytest.raises(OutputExistsError, match=r"at this moment"):
            run_sweep(small, path, workers=1)

    assert not run_sweep(small, path, workers=1, report=again).failures
