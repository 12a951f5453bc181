"""What killed writers leave reads, and is mended, without the loss of anything that was done."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from dyn.recorders.file.journal import open_patched, redo
from dyn.recorders.file.superblock import HEAD_BYTES, clear_in_place, cleared

PROGRAM = Path(__file__).with_name("killed_writers.py")


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """The folder in which killed_writers.py leaves a folder for each writer that it killed."""
    folder = tmp_path_factory.mktemp("killed")
    run_program(folder)
    return folder


@pytest.fixture
def left(killed, tmp_path):
    """A copy of it, to be mended."""
    return shutil.copytree(killed, tmp_path / "left")


def run_program(*arguments):
    """Run killed_writers.py; the processes that it makes by forking should have no threads."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "error", PROGRAM, *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def recordings(left, kind):
    return [folder / "run.h5" for folder in sorted((left / kind).iterdir(), key=lambda folder: int(folder.name))]


def folder_of(path):
    return {each.name: each.read_bytes() for each in path.parent.iterdir()}


def what_was_done(path):
    """Return how many blocks of rows and how many changes were acknowledged."""
    acknowledged = path.with_name("acknowledged")
    data = acknowledged.read_bytes() if acknowledged.exists() else b""
    return data.count(b"r"), data.count(b"c")


def checked(file):
    """Check every value of a recording; return its committed rows and its late datasets."""
    rows, late = int(file["committed"][0]), int(file.attrs["late"])
    np.testing.assert_array_equal(file["step"][:rows], np.arange(rows))
    assert sorted(file.get("scalars", ()), key=int) == [str(each) for each in range(late)]
    for each in range(late):
        dataset = file[f"scalars/{each}"]
        np.testing.assert_array_equal(dataset, np.full(100, each + 0.5))
        assert dataset.dims[0][0] == file["step"]
        assert dataset.attrs["note"] == "ends as it began"
    return rows, late


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["growing", "shrinking"])
def test_a_change_that_is_killed_at_any_write_is_made_wholly_or_not_at_all(left, kind):
    beginning = (left / "beginning" / "run.h5").read_bytes()
    outcomes = []
    for path in recordings(left, kind):
        before = folder_of(path)
        with open_patched(path) as file:
            rows, late = checked(file)
            assert ("tail" in file) == (kind == "growing" or late == 0)
        assert rows == 20
        outcomes.append(late)
        assert folder_of(path) == before
        assert redo(path) == ("run.h5.journal" in before)
        assert folder_of(path).keys() <= {"run.h5", "acknowledged"}
        after = path.read_bytes()
        assert (after == beginning) == (late == 0)
        assert cleared(after, len(after)) == after[:HEAD_BYTES]
        with h5py.File(path, "r") as file:
            assert checked(file) == (20, late)
    # What decides is whether the journal is there.
    assert outcomes == sorted(outcomes)
    assert outcomes.count(0) >= 3
    assert outcomes.count(1) >= 5


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["growing", "shrinking"])
def test_a_redo_that_is_killed_at_any_write_is_finished_by_the_next(left, kind, tmp_path):
    pending = next(path for path in recordings(left, kind) if path.with_name("run.h5.journal").exists())
    shutil.copytree(pending.parent, tmp_path / "pending")
    run_program(tmp_path, "redo")
    *killed, finished = recordings(tmp_path, "redone")
    assert len(killed) >= 4
    for path in killed:
        with open_patched(path) as file:
            assert checked(file) == (20, 1)
        redo(path)
        assert folder_of(path).keys() <= {"run.h5", "acknowledged"}
        assert path.read_bytes() == finished.read_bytes()


@pytest.mark.slow
def test_a_writer_that_is_killed_at_any_moment_loses_nothing_and_is_continued(left, tmp_path):
    for path in recordings(left, "anywhere"):
        blocks, changes = what_was_done(path)
        before = folder_of(path)
        with open_patched(path) as file:
            rows, late = checked(file)
        assert folder_of(path) == before
        # Blocks have three rows and ten in turn; the first twenty rows are those of the file that was copied.
        assert rows >= 20 + blocks // 2 * 13 + blocks % 2 * 3
        assert late >= changes
        redo(path)
        clear_in_place(path)
        shutil.copytree(path.parent, tmp_path / "continued" / path.parent.name)
        with h5py.File(path, "r") as file:
            assert checked(file) == (rows, late)
    run_program(tmp_path, "continue")
    for path, continued in zip(recordings(left, "anywhere"), recordings(tmp_path, "continued"), strict=True):
        with h5py.File(path, "r") as file:
            rows, late = checked(file)
        with h5py.File(continued, "r") as file:
            assert checked(file) == (rows + 113, late + 2)


def test_a_flush_that_was_killed_before_the_superblock_is_read_whole(path, tmp_path):
    killed = tmp_path / "killed" / "run.h5"
    killed.parent.mkdir()
    with h5py.File(path, "w", libver=("v110", "v110")) as file:
        file.create_dataset("x", data=np.arange(4.0), maxshape=(None,), chunks=(4,))
        file.swmr_mode = True
        head = path.read_bytes()[:HEAD_BYTES]
        file["x"].resize(500, axis=0)
        file["x"][:] = np.arange(500)
        file.flush()
        killed.write_bytes(head + path.read_bytes()[HEAD_BYTES:])
    before = folder_of(killed)
    with open_patched(killed) as file:
        np.testing.assert_array_equal(file["x"], np.arange(500))
    assert folder_of(killed) == before
