"""The commands that make one file of another, in a folder with a short recording."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

import dyn
from dyn.cli import main
from dyn.recorders.file.compression import COMPRESSIONS


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run ``dyn`` in a folder that holds run.h5, a short recording, and return its result."""
    monkeypatch.chdir(tmp_path)

    def command(*arguments):
        return CliRunner().invoke(main, [str(each) for each in arguments])

    assert command("record", "geometry", "--steps", 30, "-o", "run.h5").exit_code == 0
    return command


def fails(result, code, *words):
    """Hold a result to one line on stderr that has the words, the exit code, and nothing on stdout."""
    assert (result.exit_code, result.stdout) == (code, "")
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("dyn: ")
    for word in words:
        assert word in line


def test_compact_replaces_the_recording_and_says_its_sizes(run):
    with dyn.open("run.h5") as recording:
        before = recording.parameters["W"][:]
    result = run("compact", "run.h5", "--compress", "gzip")
    assert (result.exit_code, result.stdout) == (0, "run.h5\n")
    assert "before" in result.stderr
    assert "after" in result.stderr
    with dyn.open("run.h5") as recording:
        assert (recording.parameters["W"][:] == before).all()
    assert [path.name for path in Path().iterdir()] == ["run.h5"]


def test_compact_into_another_file(run):
    result = run("compact", "run.h5", "-o", "small.h5")
    assert (result.exit_code, result.stdout) == (0, "small.h5\n")
    fails(run("compact", "run.h5", "-o", "small.h5"), 1, "small.h5 exists already", "--force")
    assert run("compact", "run.h5", "-o", "small.h5", "--force").exit_code == 0


def test_wrong_usage_of_compact_gets_one_line(run):
    Path("x.h5").write_text("step,loss")
    fails(run("compact", "x.h5"), 1, "x.h5 is not an HDF5 file")
    fails(run("compact", "nothing.h5"), 1, "nothing.h5 does not exist")
    fails(run("compact", "run.h5", "--compress", "zip"), 2, "zip", "gzip")
    fails(run("compact", "run.h5", "-o", "nowhere/x.h5"), 1, "nowhere", "create it")


def test_the_command_knows_every_compression(run):
    assert f"[{'|'.join(COMPRESSIONS)}]" in run("compact", "--help").stdout


def test_repair_says_what_it_found(run):
    result = run("repair", "run.h5")
    assert (result.exit_code, result.stdout) == (0, "run.h5\n")
    assert "run.h5: complete, 31 rows, 0 of them from its ring" in result.stderr
    fails(run("repair", "nothing.h5"), 1, "nothing.h5 does not exist")


def test_merge_names_what_is_no_rank(run):
    shutil.copyfile("run.h5", "run.rank0.h5")
    fails(run("merge", "run.rank0.h5", "-o", "whole.h5"), 1, "run.rank0.h5 is not the recording of one rank's shards")
    fails(run("merge", "run.rank0.h5"), 2, "--output")
