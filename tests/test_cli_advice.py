"""What the command line says before it analyses a large recording."""

import pytest
from click.testing import CliRunner

from dyn.cli import main


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run ``dyn`` in a folder with a recording whose dimensionality has no room in memory, and return its result."""
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(main, ["record", "geometry", "--steps", "30", "-o", "run.h5"]).exit_code == 0
    monkeypatch.setattr("dyn.recorders.advice.MOST_BYTES", 64)
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
