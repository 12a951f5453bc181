"""What the command line says before it analyses a large recording."""

import shutil

import pytest
from click.testing import CliRunner

from dyn.cli import main


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A recording of more rows than a chunk of one feature has at least."""
    path = tmp_path_factory.mktemp("large") / "run.h5"
    settings = ("--steps", "1100", "--set", "batch_size=8", "--set", "evaluation_size=64")
    assert CliRunner().invoke(main, ["record", "geometry", *settings, "-o", str(path)]).exit_code == 0
    return path


@pytest.fixture
def run(recorded, tmp_path, monkeypatch):
    """Run ``dyn`` in a folder with a recording whose dimensionality has no room in memory, and return its result."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(recorded, "run.h5")
    monkeypatch.setattr("dyn.recorders.rewriting.advice.MOST_BYTES", 1024)
    return lambda *arguments: CliRunner().invoke(main, arguments)


@pytest.mark.parametrize("command", [["info"], ["jumps"], ["jumps", "--json"], ["plot"], ["plot", "levels", "--force"]])
def test_a_recording_that_is_read_many_times_over_is_said_to_be_so_beside_the_result(command, run):
    name, *options = command
    result = run(name, "run.h5", *options)
    assert result.exit_code == 0
    assert result.stdout
    assert "dyn compact run.h5" not in result.stdout
    assert result.stderr.startswith("dyn: run.h5 stores ")
    assert result.stderr.count("dyn compact run.h5") == 1


def test_of_one_that_was_compacted_nothing_is_said(run):
    assert run("compact", "run.h5").exit_code == 0
    assert run("jumps", "run.h5").stderr == ""


def test_of_a_sweep_nothing_is_said(run):
    settings = ("--over", "lr=0.1,0.2", "--set", "steps=1100", "--set", "batch_size=8", "--set", "evaluation_size=64")
    assert run("sweep", "geometry", *settings, "--record", "--set", "every=1", "--workers", "1").exit_code == 0
    assert run("plot", "geometry-sweep.h5", "levels").stderr == ""
