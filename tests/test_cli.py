"""The command line as a stranger uses it, with wrong arguments too."""

import json
import shutil
import sys
from pathlib import Path

import h5py
import pytest
import torch
from click.testing import CliRunner

import dyn
from dyn.cli import main


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run ``dyn`` in an empty folder and return its result."""
    monkeypatch.chdir(tmp_path)
    return lambda *args: CliRunner().invoke(main, [str(arg) for arg in args])


@pytest.fixture(scope="module")
def short(tmp_path_factory) -> Path:
    """A short recording."""
    path = tmp_path_factory.mktemp("short") / "geometry.h5"
    result = CliRunner().invoke(main, ["record", "geometry", "--steps", "30", "-o", str(path)])
    assert result.exit_code == 0, result.stderr
    return path


@pytest.fixture
def recorded(run, short):
    """The folder holds geometry.h5, a copy of it."""
    shutil.copyfile(short, "geometry.h5")
    return run


def fails(result, code: int, *words: str) -> None:
    """Hold a result to one line on stderr that has the words, the exit code, and nothing on stdout."""
    assert result.exit_code == code
    assert result.stdout == ""
    line = result.stderr.strip().splitlines()[-1]
    assert line.startswith("dyn: ")
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in line


def test_record_prints_the_path_and_says_its_price(run):
    result = run("record", "geometry", "--steps", 30, "--seed", 5, "--set", "lr=2e-3", "--set", "importance=0.9^i")
    assert (result.exit_code, result.stdout) == (0, "geometry.h5\n")
    assert "208 bytes a row, 31 rows" in result.stderr
    with dyn.open("geometry.h5") as recording:
        settings = recording.config["experiment"]
        assert (settings["steps"], settings["seed"], settings["lr"]) == (30, 5, 2e-3)
        assert settings["importance"] == "0.9^i"
        assert len(recording) == 31
        assert recording.status == "complete"


def test_record_every_and_select(run):
    assert run("record", "geometry", "--steps", 30, "--every", 10, "--select", "W", "-o", "w.h5").exit_code == 0
    with dyn.open("w.h5") as recording:
        assert recording.step[:].tolist() == [0, 10, 20, 30]
        assert list(recording.parameters) == ["W"]


def test_dry_run_trains_and_writes_nothing(run):
    result = run("record", "energy-levels", "--dry-run")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "1,120 bytes a row, 6,001 rows, 6.72 MB in all" in result.stderr
    assert list(Path().iterdir()) == []


def test_a_dry_run_that_does_not_fit_or_has_no_folder_fails(run):
    result = run("record", "geometry", "--dry-run", "--steps", 10**15)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.endswith("it DOES NOT FIT\n")
    fails(run("record", "geometry", "--dry-run", "-o", "nowhere/run.h5"), 1, "nowhere", "create it")
    fails(run("record", "geometry", "--dry-run", "-o", "."), 1, "directory")


def test_a_dry_run_leaves_what_is_there(recorded):
    assert recorded("record", "geometry", "--dry-run").exit_code == 0


def test_what_diverged_is_told_wherever_it_is_looked_at(run):
    result = run("record", "geometry", "--steps", 30, "--set", "lr=1e30")
    assert (result.exit_code, result.stdout) == (0, "geometry.h5\n")
    with dyn.open("geometry.h5") as recording:
        step = recording.diverged_at
    assert step is not None
    told = f"dyn: geometry.h5 diverged at step {step}"
    assert result.stderr.splitlines()[-1] == told
    assert f"diverged     at step {step}\n" in run("info", "geometry.h5").stdout
    assert json.loads(run("info", "geometry.h5", "--json").stdout)["diverged_at"] == step
    assert f"diverged at step {step}" in run("watch", "--once", "geometry.h5").stdout
    short = ["--seconds", 0.5, "--fps", 4, "--size", "320x180"]
    for command in (["plot", "-o", "a.svg"], ["animate", *short], ["report"]):
        result = run(command[0], "geometry.h5", *command[1:])
        assert result.exit_code == 0
        assert result.stderr.splitlines()[-1] == told
    assert f"diverged at step {step}" in Path("geometry.html").read_text()


def test_force_replaces_a_recording(recorded):
    assert recorded("record", "geometry", "--steps", 5, "--force").exit_code == 0
    with dyn.open("geometry.h5") as recording:
        assert len(recording) == 6


def test_a_branch_never_replaces_what_it_goes_on_from(run):
    assert run("record", "geometry", "--steps", 30, "--checkpoint-every", 10).exit_code == 0
    before = Path("geometry.h5").read_bytes()
    branch = "record", "geometry", "--from", "geometry.h5@20", "--force"
    fails(run(*branch), 2, "goes on from geometry.h5", "choose another -o")
    assert Path("geometry.h5").read_bytes() == before


def test_a_branch_is_priced_by_its_own_rows_and_names_its_origin(run):
    assert run("record", "geometry", "--steps", 30, "--checkpoint-every", 10).exit_code == 0
    branch = "record", "geometry", "--from", "geometry.h5@20", "-o", "branch.h5"
    for words in (["--steps", 20], ["--set", "n_hidden=4"]):
        refused = run(*branch, *words)
        fails(refused, 2)
        assert "bytes a row" not in refused.stderr
    assert "208 bytes a row, 11 rows" in run(*branch).stderr
    assert "branched     from geometry.h5@20" in run("info", "branch.h5").stdout
    assert json.loads(run("info", "branch.h5", "--json").stdout)["branched_from"] == "geometry.h5@20"


def test_experiments_in_words_and_as_json(run):
    words = run("experiments").stdout
    document = json.loads(run("experiments", "--json").stdout)
    names = [entry["name"] for entry in document]
    assert names[:2] == ["intro", "demonstration"]
    assert {"phase-2x1", "uniform-geometry", "pca-collapse", "k-gons", "grokking"} <= set(names)
    assert all(name in words for name in names)
    assert document[0]["density"] == [1.0, 0.2, 0.1]


def test_info_in_words_and_as_json(recorded):
    words = recorded("info", "geometry.h5").stdout
    assert "complete, 31 rows" in words
    assert "parameter    W  3 × 6" in words
    document = json.loads(recorded("info", "geometry.h5", "--json").stdout)
    assert document["rows"] == 31
    assert document["parameters"] == {"W": [3, 6], "b": [6]}
    assert sum(document["levels"]["W"].values()) == 6
    assert document["scalars"]["expected_loss"] > 0


def test_info_tells_what_happened(recorded):
    words = recorded("info", "geometry.h5").stdout
    # Thirty steps have not taken the features beyond what random directions would show.
    assert "W, drifts; as random directions (median D " in words
    document = json.loads(recorded("info", "geometry.h5", "--json").stdout)
    assert document["story"]["regimes"] == []
    assert document["story"]["jumps"] == json.loads(recorded("jumps", "geometry.h5", "--json").stdout)


def test_jumps_in_words(recorded):
    result = recorded("jumps", "geometry.h5")
    assert result.exit_code == 0
    assert result.stdout.startswith("W, 0 jumps; drifts; as random directions ")
    fails(recorded("jumps", "geometry.h5", "--parameter", "V"), 2, "V", "W")
    fails(recorded("jumps", "geometry.h5", "--instance", 2), 2, "instance=2", "no ensemble")


def test_jumps_of_what_was_logged(recorded):
    result = recorded("jumps", "geometry.h5", "--signal", "loss")
    assert (result.exit_code, result.stdout) == (0, "loss, 0 jumps\n")
    assert recorded("jumps", "geometry.h5", "--signal", "loss", "--json").stdout == "[]\n"
    fails(recorded("jumps", "geometry.h5", "--signal", "zzz"), 2, "unknown signal 'zzz'", "loss")
    fails(recorded("jumps", "geometry.h5", "--signal", "loss", "--parameter", "W"), 2, "--parameter W", "--signal")


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_plot(recorded, suffix):
    result = recorded("plot", "geometry.h5", "levels", "-o", f"levels.{suffix}")
    assert (result.exit_code, result.stdout) == (0, f"levels.{suffix}\n")
    assert Path(f"levels.{suffix}").stat().st_size > 5000


@pytest.mark.parametrize("suffix", ["mp4", "gif"])
def test_animate(recorded, suffix):
    result = recorded("animate", "geometry.h5", "-o", f"a.{suffix}", "--seconds", 0.5, "--fps", 10, "--size", "320x180")
    assert (result.exit_code, result.stdout) == (0, f"a.{suffix}\n")
    assert Path(f"a.{suffix}").stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["record", "energy-level"], 2, ["'energy-level'", "energy-levels"]),
        (["record", "zzz"], 2, ["'zzz'", "known: intro"]),
        (["record"], 2, ["EXPERIMENT", "dyn record --help"]),
        (["record", "geometry", "--set", "stepz=3"], 2, ["'stepz'", "steps"]),
        (["record", "geometry", "--set", "steps"], 2, ["'steps'", "KEY=VALUE"]),
        (["record", "geometry", "--steps", "many"], 2, ["steps='many'", "whole number"]),
        (["record", "geometry", "--set", "density=2"], 2, ["density=2", "(0, 1]"]),
        (["record", "geometry", "--device", "warp"], 2, ["device='warp'", "cpu"]),
        (["record", "geometry", "--select", "Q"], 2, ["'Q'", "W, b"]),
        (["record", "geometry", "--every", "0"], 2, ["every=0"]),
        (["record", "geometry", "-o", "nowhere/run.h5"], 1, ["nowhere", "create it"]),
        (["record", "geometry", "-o", "."], 1, ["directory"]),
        (["info", "nothing.h5"], 1, ["nothing.h5", "does not exist"]),
        (["info", "."], 1, ["directory"]),
        (["plot", "nothing.h5"], 1, ["nothing.h5", "does not exist"]),
        (["animate", "nothing.h5"], 1, ["nothing.h5", "does not exist"]),
        (["dance"], 2, ["'dance'", "known: animate", "dyn --help"]),
        (["inof"], 2, ["'inof'", "did you mean info?"]),
        (["info", "--jsn", "x.h5"], 2, ["'--jsn'", "did you mean --json?"]),
        (["record", "geometry", "--lr", "3"], 2, ["--lr", "--set lr=VALUE"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_wrong_usage_gets_one_line(run, arguments, code, words):
    fails(run(*arguments), code, *words)
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["record", "geometry"], 1, ["geometry.h5 exists", "--force"]),
        (["plot", "geometry.h5", "level"], 2, ["'level'", "levels"]),
        (["plot", "geometry.h5", "-o", "x.jpg"], 2, ["'.jpg'", ".png"]),
        (["plot", "geometry.h5", "-o", "taken.png"], 1, ["taken.png exists", "--force"]),
        (["plot", "geometry.h5", "-o", "nowhere/x.png"], 1, ["nowhere", "create it"]),
        (["plot", "geometry.h5", "--instance", "0"], 2, ["instance=0", "no ensemble"]),
        (["plot", "geometry.h5", "demonstration", "--instance", "0"], 2, ["instance=0", "'demonstration'"]),
        (["animate", "geometry.h5", "-o", "x.html", "--fps", "60"], 2, ["fps=60", "time line"]),
        (["plot", "geometry.h5", "--parameter", "w"], 2, ["'w'", "W"]),
        (["animate", "geometry.h5", "-o", "x.avi"], 2, ["'.avi'", ".mp4"]),
        (["animate", "geometry.h5", "-o", "x.mp4", "--size", "641x360"], 2, ["641x360", "642x360"]),
        (["animate", "geometry.h5", "-o", "x.gif", "--size", "wide"], 2, ["'wide'", "1280x720"]),
        (["animate", "geometry.h5", "-o", "x.gif", "--size", "20x10"], 2, ["20x10", "too small"]),
        (["animate", "geometry.h5", "-o", "x.gif", "--fps", "0"], 2, ["fps=0"]),
        (["animate", "geometry.h5", "-o", "x.gif", "--fps", "60"], 2, ["fps=60", "50"]),
        (["animate", "geometry.h5", "-o", "x.gif", "--seconds", "0"], 2, ["seconds=0"]),
        (["animate", "geometry.h5", "-o", "taken.png"], 2, ["'.png'"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_wrong_usage_overwrites_and_leaves_nothing(recorded, arguments, code, words):
    Path("taken.png").write_text("precious")
    before = Path("geometry.h5").read_bytes()
    fails(recorded(*arguments), code, *words)
    assert sorted(path.name for path in Path().iterdir()) == ["geometry.h5", "taken.png"]
    assert Path("geometry.h5").read_bytes() == before
    assert Path("taken.png").read_text() == "precious"


def truncated(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["x"] = range(10_000)
    path.write_bytes(path.read_bytes()[:-5000])


def newer(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.attrs.update(format="learning-dynamics", format_version=2)


@pytest.mark.parametrize("command", ["info", "jumps", "plot", "animate"])
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.write_text("step,loss\n0,1\n"), ["not an HDF5 file"]),
        (lambda path: path.touch(), ["empty"]),
        (truncated, ["truncated"]),
        (lambda path: h5py.File(path, "w").close(), ["no recording"]),
        (newer, ["format version 2", "upgrade"]),
    ],
    ids=["text", "empty", "truncated", "foreign", "newer"],
)
def test_files_that_are_no_recording(run, make, words, command):
    make(Path("x.h5"))
    fails(run(command, "x.h5"), 1, "x.h5", *words)


def test_a_missing_extra_is_named(recorded, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    fails(recorded("animate", "geometry.h5", "-o", "x.mp4"), 1, "mp4", "[video]", "pip install")


def test_help_and_version(run):
    assert "Commands:" in run("--help").stdout
    assert run("--version").stdout.startswith("dyn ")
    assert run("record", "-h").exit_code == 0


@pytest.fixture
def network(run):
    """The folder holds net.h5, of two matrices of which one moves."""
    model = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.Linear(4, 3))
    with dyn.attach(model, None, "net.h5") as recorder, torch.no_grad():
        for row in range(10):
            model[1].weight.mul_(1.1)
            recorder.step(loss=1 / (1 + row), test_acc=row / 10)
    return run


def test_info_of_a_network_ranks_its_matrices(network):
    lines = network("info", "net.h5").stdout.splitlines()
    at = lines.index("2 matrices, the most telling first; moved is |W - W0| / |W0|")
    assert lines[at + 1].startswith("  1.weight (3 × 4) moved 136 %")
    assert lines[at + 2] == "  0.weight (4 × 5) did not move"
    document = json.loads(network("info", "net.h5", "--json").stdout)
    assert [each["parameter"] for each in document["ranking"]] == ["1.weight", "0.weight"]
    assert "0.weight" not in network("info", "net.h5", "--parameter", "1.*").stdout
    fails(network("info", "net.h5", "--parameter", "1.wieght"), 2, "'1.wieght'", "did you mean 1.weight")


def test_one_matrix_keeps_its_story(recorded):
    assert "moved" not in recorded("info", "geometry.h5").stdout
    assert json.loads(recorded("info", "geometry.h5", "--json").stdout)["ranking"] is None
    named, default = (recorded("info", "geometry.h5", *more).stdout for more in (["--parameter", "W*"], []))
    assert named == default


def test_a_glob_that_matches_several_is_taken_where_several_can_be_shown(network):
    lines = network("jumps", "net.h5", "--parameter", "*.weight").stdout.splitlines()
    assert [line.partition(";")[0] for line in lines] == ["inputs of 0.weight, 0 jumps", "inputs of 1.weight, 0 jumps"]
    assert json.loads(network("jumps", "net.h5", "--json", "--parameter", "*").stdout) == {
        "0.weight": [],
        "1.weight": [],
    }
    assert json.loads(network("jumps", "net.h5", "--json", "--parameter", "1.weight").stdout) == []
    for command in (["plot", "net.h5", "levels"], ["report", "net.h5"], ["animate", "net.h5"]):
        fails(network(*command, "--parameter", "*.weight"), 2, "matches 2, 0.weight, 1.weight", "name one of them")
    assert network("plot", "net.h5", "levels", "--parameter", "1*").stdout == "net-levels.png\n"


def test_an_overview_is_what_a_network_gets(network):
    assert network("plot", "net.h5").stdout == "net-overview.png\n"
    result = network("plot", "net.h5", "overview", "--parameter", "1*", "--signal", "test_acc", "-o", "some.png")
    assert result.stdout == "some.png\n"
    fails(network("plot", "net.h5", "--signal", "tset_acc", "-o", "other.png"), 2, "did you mean test_acc")
