"""``dyn record`` for scripts: which words are for whom, and what is refused before the script begins."""

import sys
from pathlib import Path

import numpy as np
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

import dyn
from dyn.cli import main
from dyn.dynamics.errors import SettingError
from dyn.recorders.reading.selection import select

SCRIPT = """
import sys, torch
print("runs with", sys.argv)
W = torch.ones(3, 2, requires_grad=True)
b = torch.zeros(2, requires_grad=True)
optimizer = torch.optim.SGD([W, b], lr=0.1)
for _ in range(4):
    optimizer.zero_grad()
    (torch.ones(3) @ W + b).square().mean().backward()
    optimizer.step()
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run ``dyn record`` in a folder with train.py and package/train.py; what a script takes over is given back."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "package").mkdir()
    for path in ("train.py", "package/train.py"):
        Path(path).write_text(SCRIPT)
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    for name, value in (("argv", [""]), ("path", list(sys.path)), ("excepthook", sys.excepthook)):
        monkeypatch.setattr(sys, name, value)
    return lambda *args: CliRunner().invoke(main, ["record", *args])


def test_a_script_is_recorded_under_its_name(run):
    result = run("train.py")
    assert (result.exit_code, result.stdout) == (0, "runs with ['train.py']\n")
    begins, ends = result.stderr.splitlines()
    assert begins.startswith("dyn: train.h5: recording parameters (SGD), ")
    assert ends == "dyn: train.h5: 5 rows, complete"
    with dyn.open("train.h5") as recording:
        assert list(recording.parameters) == ["W", "b"]
        assert recording.scalars["loss"][0] == 9
        assert recording.config == {"script": "train.py", "arguments": [], "optimizer": "SGD", "trains": "parameters"}


def test_what_stands_after_the_dashes_is_the_scripts(run):
    result = run("train.py", "--every", "2", "--select", "W", "-o", "x.h5", "--", "--every", "3", "-o", "y", "--", "z")
    assert result.stdout == "runs with ['train.py', '--every', '3', '-o', 'y', '--', 'z']\n"
    with dyn.open("x.h5") as recording:
        assert recording.step[:].tolist() == [0, 2, 4]
        assert list(recording.parameters) == ["W"]


def test_a_module(run):
    result = run("-m", "package.train", "--", "--lr", "1")
    assert (result.exit_code, Path("train.h5").exists()) == (0, True)
    assert result.stdout.endswith("package/train.py', '--lr', '1']\n")


def test_force_replaces_a_recording(run):
    Path("train.h5").write_text("an old one")
    assert run("train.py", "--force").exit_code == 0
    with dyn.open("train.h5") as recording:
        assert len(recording) == 5


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["trian.py"], 2, ["no script 'trian.py'", "-m"]),
        (["package/"], 2, ["'package/' is a directory", "-m"]),
        (["train.py", "--steps", "3"], 2, ["steps=3", "after --"]),
        (["train.py", "--set", "lr=3", "--device", "cpu"], 2, ["lr=3, device=cpu", "after --"]),
        (["train.py", "--dry-run"], 2, ["--dry-run", "first step"]),
        (["train.py", "--lr", "3"], 2, ["--lr", "after --: dyn record train.py -- --lr", "dyn record --help"]),
        (["-m", "package.train", "--lr", "3"], 2, ["after --: dyn record -m package.train -- --lr"]),
        (["train.py", "--every", "0"], 2, ["every"]),
        (["train.py", "-o", "taken.h5"], 1, ["taken.h5 exists", "--force"]),
        (["train.py", "-o", "nowhere/x.h5"], 1, ["nowhere", "create it"]),
        (["-m", "package.train", "-o", "."], 1, ["directory"]),
        (["geometry", "--", "--lr", "3"], 2, ["'geometry' takes no arguments", "'--lr 3'", "--set"]),
        (["geometri"], 2, ["'geometri'", "geometry"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_is_refused_is_refused_before_the_script_begins(run, arguments, code, words):
    Path("taken.h5").write_text("precious")
    result = run(*arguments)
    line = result.stderr.strip()
    assert (result.exit_code, result.stdout) == (code, "")
    assert line.startswith("dyn: ")
    assert all(word in line for word in words)
    assert [path.read_text() for path in Path().glob("*.h5")] == ["precious"]


@pytest.mark.parametrize(
    "error", ["OSError('x')", "KeyboardInterrupt", "SettingError('x')", "RuntimeError('allocate memory')"]
)
def test_errors_of_a_script_are_its_own(run, error):
    Path("train.py").write_text(f"from dyn.dynamics.errors import SettingError\nraise {error}")
    kinds = (OSError, KeyboardInterrupt, SettingError, RuntimeError)
    with pytest.raises(kinds) as raised:
        raise run("train.py").exception
    assert type(raised.value).__name__ == error.partition("(")[0]


def test_the_exit_code_is_the_scripts(run):
    Path("train.py").write_text(f"{SCRIPT}\nsys.exit(17)")
    result = run("train.py")
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (17, "dyn: train.h5: 5 rows, aborted")


def test_a_script_that_trains_nothing_fails(run):
    Path("train.py").write_text("print('no training')")
    result = run("train.py")
    assert (result.exit_code, result.stdout) == (1, "no training\n")
    assert result.stderr.startswith("dyn: nothing was recorded: the script took no optimizer step")


def test_a_selection_that_matches_nothing_is_said_and_the_training_goes_on(run):
    result = run("train.py", "--select", "encoder.*")
    assert result.exit_code == 1
    assert result.stdout.startswith("runs with")
    assert "'encoder.*'" in result.stderr
    assert "there are W, b" in result.stderr
    assert result.stderr.endswith("dyn: nothing was recorded\n")


def test_a_script_may_close_stderr(run):
    Path("train.py").write_text(f"import sys\nsys.stderr.close()\n{SCRIPT}")
    assert run("train.py").exit_code == 0
    assert Path("train.h5").exists()


def test_completion_offers_experiments_and_files():
    complete = ShellComplete(main, {}, "dyn", "_DYN_COMPLETE")
    offered = [(item.value, item.type) for item in complete.get_completions(["record"], "ge")]
    assert offered == [("geometry", "plain"), ("ge", "file")]


def test_a_script_that_diverges_is_told_to_have_done_so(run):
    Path("train.py").write_text(SCRIPT.replace("@ W + b", "@ W * (float('nan') if _ == 2 else 1) + b"))
    result = run("train.py")
    assert result.stderr.splitlines()[-1] == "dyn: train.h5: 5 rows, complete, diverged at step 2"
    with dyn.open("train.h5") as recording:
        assert np.isnan(recording.scalars["loss"][2])
        assert np.isfinite(recording.parameters["W"][2]).all()


def test_names_of_features_come_from_a_file(run):
    Path("names.json").write_text('{"W": ["red", "green"]}')
    result = run("train.py", "--labels", "names.json")
    assert result.exit_code == 0, result.stderr
    with dyn.open("train.h5") as recording:
        assert select(recording, "W").labels == ("red", "green")


@pytest.mark.parametrize("text", ["[]", '{"W": "red"}', "{", ""])
def test_a_file_that_names_no_features_is_refused_before_the_script_runs(run, text):
    Path("names.json").write_text(text)
    result = run("train.py", "--labels", "names.json")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--labels names.json" in result.stderr


def test_a_script_may_be_kept_in_summaries(run):
    result = run("train.py", "--summaries")
    assert result.exit_code == 0
    with dyn.open("train.h5") as recording:
        assert not recording.parameters
        assert recording.summaries["W"]["norm"][0] == pytest.approx(np.sqrt(6))


def test_a_script_may_have_a_budget(run):
    result = run("train.py", "--budget", "1 MB", "--steps", "4")
    assert result.exit_code == 0
    assert result.stderr.startswith("dyn: train.h5: whole parameters, every step: 5 rows")
    with dyn.open("train.h5") as recording:
        assert recording.step[:].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["train.py", "--budget", "1 MB"], "give steps=N"),
        (["train.py", "--budget", "1 MB", "--steps", "many"], "--steps 'many'"),
        (["train.py", "--budget", "much", "--steps", "4"], "budget='much'"),
        (["train.py", "--budget", "1 MB", "--steps", "4", "--every", "2"], "every=2"),
        (["train.py", "--steps", "4"], "--steps, --seed, --device and --set are for"),
        (["geometry", "--summaries"], "--summaries is for scripts"),
        (["geometry", "--budget", "1 kB"], "no room"),
    ],
)
def test_what_does_not_go_together_is_said_in_a_line(run, options, says):
    result = run(*options)
    assert isinstance(result.exception, SystemExit | SettingError)
    assert says in (result.stderr or str(result.exception)) or says in str(result.exception)
    assert not Path("train.h5").exists()


def test_an_experiment_stays_within_its_budget(run):
    result = run("geometry", "--budget", "3 MB", "--steps", "20000", "--dry-run")
    assert result.exit_code == 0
    assert "10,001 rows" not in result.stderr
    assert "bytes a row" in result.stderr
