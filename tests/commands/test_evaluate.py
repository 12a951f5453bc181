"""dyn evaluate: functions of a file, the model that it names or the catalogue has, answers on stdout or in the file."""

import json
from pathlib import Path

import numpy as np
import pytest

import dyn
from dyn.cli import main
from dyn.dynamics.experiments import EXPERIMENTS
from dyn.recorders.experiment import record_experiment

PROBES = """
print("imported")

def norm(model):
    return model.W.norm()

def column(model):
    return model.W[:, 0]

def number(model):
    return model.W.norm().item()

def stopped(model):
    raise KeyboardInterrupt
"""


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    record_experiment(EXPERIMENTS["geometry"].with_settings(steps=20), tmp_path / "run.h5")
    (tmp_path / "probes.py").write_text(PROBES)
    (tmp_path / "ends.py").write_text("raise SystemExit(3)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def run(capsys, *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main(["evaluate", *words])
    said = capsys.readouterr()
    return int(end.value.code or 0), said.out, said.err


@pytest.mark.usefixtures("folder")
def test_a_catalogue_recording_needs_no_model(capsys):
    code, out, err = run(capsys, "run.h5", "probes.py:norm", "probes.py:column", "--json")
    found = json.loads(out)
    assert code == 0
    assert "imported" in err
    with dyn.open("run.h5") as recording:
        W = recording.parameters["W"][:]
        assert found["step"] == recording.step[:].tolist()
    np.testing.assert_allclose(found["norm"], np.linalg.norm(W, axis=(1, 2)), rtol=1e-5)
    np.testing.assert_array_equal(np.float32(found["column"]), W[:, :, 0])


@pytest.mark.usefixtures("folder")
def test_saved_answers_are_a_signal_with_jumps(capsys):
    assert run(capsys, "run.h5", "probes.py:norm", "--save")[0] == 0
    with pytest.raises(SystemExit) as end:
        main(["jumps", "run.h5", "--signal", "norm"])
    assert not end.value.code
    assert "norm" in capsys.readouterr().out
    assert run(capsys, "run.h5", "probes.py:norm", "--save")[0] == 1
    assert run(capsys, "run.h5", "probes.py:norm", "--save", "--force")[0] == 0


@pytest.mark.usefixtures("folder")
def test_what_is_asked_one_by_one_is_said(capsys):
    code, out, err = run(capsys, "run.h5", "probes.py:number", "--steps", "3")
    assert (code, out.count("\n")) == (0, 1)
    code, _, err = run(capsys, "run.h5", "probes.py:number")
    assert code == 0
    assert "dyn: number was asked of one state after another" in err


def test_a_file_may_name_its_model(folder, capsys):
    (folder / "own.py").write_text(
        "import torch\ndef build_model():\n    return torch.nn.Linear(3, 3)\nbias = norm = len"
    )
    code, _, err = run(capsys, "run.h5", "own.py:norm")
    assert (code, err.count("\n")) == (1, 1)
    assert "weight" in err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["run.h5", "probes.py:nom"], 2, "did you mean"),
        (["run.h5", "probes.py"], 2, "write FILE.py:FUNCTION"),
        (["run.h5", "none.py:norm"], 2, "there is no file"),
        (["run.h5", "ends.py:norm"], 2, "ends.py failed when it was imported: SystemExit: 3"),
        (["run.h5", "probes.py:norm", "--steps", "99"], 2, "nearest"),
        (["run.h5", "probes.py:norm", "--force"], 2, "--save"),
        (["run.h5", "probes.py:stopped", "--save"], 130, "interrupted"),
        (["none.h5", "probes.py:norm"], 1, "does not exist"),
    ],
)
def test_mistakes_are_one_line_and_leave_the_file(words, code, message, folder, capsys):
    before = (folder / "run.h5").read_bytes()
    ended, out, err = run(capsys, *words)
    assert (ended, out) == (code, "")
    assert message in err.splitlines()[-1]
    assert (folder / "run.h5").read_bytes() == before


@pytest.mark.usefixtures("folder")
def test_a_sweep_is_refused_in_one_line(capsys):
    with pytest.raises(SystemExit):
        main(["sweep", "geometry", "--over", "seed=0,1", "--set", "steps=5", "-o", "sweep.h5"])
    capsys.readouterr()
    code, _, err = run(capsys, "sweep.h5", "probes.py:norm")
    assert (code, err.count("\n")) == (1, 1)
    assert "sweep" in err
