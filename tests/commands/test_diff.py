"""The command `dyn diff`: 0 equal, 1 different, 2 any trouble; words and one document."""

import json
import shutil

import h5py
import pytest
import torch
from torch import nn

import dyn
from dyn.cli import main


@pytest.fixture
def run(capsys):
    """Run the command line; return the exit code, stdout and stderr."""

    def call(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["diff", *map(str, words)])
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out, told.err

    return call


@pytest.fixture
def runs(tmp_path):
    """Two equal recordings, and a third that parts at step 30, of a run that steps away from zero."""
    paths = [tmp_path / name for name in ("a.h5", "b.h5", "c.h5")]
    model = nn.Linear(3, 2)
    with dyn.attach(model, None, paths[0]) as recorder, torch.no_grad():
        for k in range(100):
            model.weight.fill_(k)
            recorder.step(loss=100 - k)
    for path in paths[1:]:
        shutil.copy(paths[0], path)
    with h5py.File(paths[2], "r+") as file:
        file["parameters/weight"][30:, 0, 1] += 0.5
        file["scalars/loss"][31:] += 1
    return paths


def test_equal_recordings_give_0_and_no_word_of_a_difference(run, runs):
    for options in ((), ("--exhaustive",)):
        code, out, err = run(*runs[:2], *options)
        assert (code, err) == (0, "")
        assert "are equal" in out
        assert "differ" not in out
    code, out, _ = run(*runs[:2], "--json", "--exhaustive")
    assert code == 0
    assert json.loads(out)["is_equal"] is True


def test_recordings_that_part_give_1_and_say_where(run, runs):
    code, out, err = run(runs[0], runs[2])
    assert (code, err) == (1, "")
    assert "part at step 30: weight by 0.5 at most\n" in out
    assert "loss from step 31" in out
    assert "by halves" in out
    assert "distance" not in out


def test_the_document_has_the_distance_only_where_all_is_read(run, runs):
    code, out, _ = run(runs[0], runs[2], "--json")
    found = json.loads(out)
    assert code == 1
    assert (found["step"], found["parameter"], found["largest"]) == (30, "weight", 0.5)
    assert found["scalars"] == {"loss": 31}
    assert "distance" not in found
    code, out, _ = run(runs[0], runs[2], "--json", "--exhaustive")
    found = json.loads(out)
    assert code == 1
    assert found["distance"] == [0.0] * 30 + [0.5] * (len(found["steps"]) - 30)
    assert found["growth"]["rate"] is None
    assert found["jumps"]["only_a"] == []


def test_any_trouble_gives_2_in_one_line(run, runs, tmp_path):
    (tmp_path / "text.h5").write_text("no HDF5")
    with h5py.File(tmp_path / "sweep.h5", "w") as file:
        file.attrs["format"] = "learning-dynamics-sweep"
    for other, why in (
        ("missing.h5", "does not exist"),
        ("text.h5", "not an HDF5 file"),
        ("sweep.h5", "the result of a sweep"),
        ("", "directory"),
    ):
        for words in ((runs[0], tmp_path / other), (tmp_path / other, runs[0])):
            code, out, err = run(*words)
            assert (code, out) == (2, "")
            assert why in err
            assert len(err.splitlines()) == 1
    for words in ((), (runs[0],), (*runs, "d.h5"), (*runs[:2], "--nonsense")):
        assert run(*words)[0] == 2
