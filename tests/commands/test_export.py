"""The command ``dyn export``."""

import csv
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import dyn
from dyn.cli import main


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run ``dyn`` in a folder that holds geometry.h5, a short recording, and return its result."""
    monkeypatch.chdir(tmp_path)
    invoke = lambda *args: CliRunner().invoke(main, [str(arg) for arg in args])  # noqa: E731
    assert invoke("record", "geometry", "--steps", 30).exit_code == 0
    return invoke


def test_a_table_for_a_spreadsheet(run):
    result = run("export", "geometry.h5", "-o", "run.csv")
    assert (result.exit_code, result.stdout) == (0, "run.csv\n")
    # 31 rows of 5 numbers of 8 bytes, step and time among them, and one of 4 bytes for each of 6 features: 31 × 64.
    assert "geometry.h5: 1.98 kB of numbers\n" in result.stderr
    names, *rows = csv.reader(Path("run.csv").read_text().splitlines())
    assert names == ["step", "time", "loss", "lr", "expected_loss", *(f"W.dimensionality.{k}" for k in range(6))]
    with dyn.open("geometry.h5") as recording:
        assert [int(row[0]) for row in rows] == recording.step[:].tolist()
        assert [np.float32(row[-1]) for row in rows] == recording.features["W"]["dimensionality"][:, 5].tolist()


def test_the_suffix_says_in_which_format(run):
    for suffix in ("nc", "zarr", "npz", "parquet", "rrd"):
        result = run("export", "geometry.h5", "-o", f"run.{suffix}")
        assert (result.exit_code, result.stdout) == (0, f"run.{suffix}\n")
        assert Path(f"run.{suffix}").exists()


def test_options_choose_arrays_and_rows(run):
    assert (
        run("export", "geometry.h5", "-o", "w.csv", "--select", "W", "--select", "loss", "--every", 10).exit_code == 0
    )
    names, *rows = csv.reader(Path("w.csv").read_text().splitlines())
    assert names == ["step", "time", "loss", *(f"W.{j}.{i}" for j in range(3) for i in range(6))]
    assert [row[0] for row in rows] == ["0", "10", "20", "30"]


@pytest.mark.parametrize(
    ("code", "args", "words"),
    [
        (1, ["geometry.h5", "-o", "geometry.npz"], "geometry.npz exists already"),
        (1, ["nothing.h5", "-o", "run.npz"], "nothing.h5 does not exist"),
        (1, ["geometry.h5", "-o", "none/run.npz"], "none is no directory"),
        (2, ["geometry.h5", "-o", "run.parket"], "did you mean .parquet"),
        (2, ["geometry.h5", "-o", "run.npz", "--select", "lss"], "did you mean loss"),
        (2, ["geometry.h5"], "Missing option '-o'"),
    ],
)
def test_a_mistake_is_told_in_one_line(run, code, args, words):
    assert run("export", "geometry.h5", "-o", "geometry.npz").exit_code == 0
    result = run("export", *args)
    assert (result.exit_code, result.stdout) == (code, "")
    line = result.stderr.strip().splitlines()[-1]
    assert line.startswith("dyn: ")
    assert words in line
    assert run("export", "geometry.h5", "-o", "geometry.npz", "--force").exit_code == 0
