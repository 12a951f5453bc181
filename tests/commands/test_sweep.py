"""The command dyn sweep: one result, one line for an error, and an exit code of its own for a part that failed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dyn.cli import main
from dyn.recorders.sweeps.sweep import Sweep

FEW = ["--over", "density=0.1,0.9", "--over", "importance_extra=0.5,1,2", "--repeat", "2", "--workers", "1"]
SHORT = ["--set", "steps=2", "--set", "batch_size=4", "--set", "evaluation_size=8", "--workers", "1"]


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as exit_:
        main(["sweep", *arguments])
    return int(str(exit_.value.code))


@pytest.fixture(autouse=True)
def _in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_sweep_prints_its_result(capsys):
    assert run("phase-2x1", *FEW) == 0
    printed = capsys.readouterr()
    assert printed.out == "phase-2x1-sweep.h5\n"
    assert printed.err == "dyn: sweep of phase-2x1, 12 models at 6 points\n"
    with Sweep("phase-2x1-sweep.h5") as sweep:
        assert sweep["W"].shape == (2, 3, 2, 1, 2)
        assert "population" in sweep.training


def test_settings_and_trajectories(capsys):
    assert run("geometry", "--over", "lr=0.1,0.2", *SHORT, "--set", "every=1", "--record", "-o", "a.h5") == 0
    assert capsys.readouterr().out == "a.h5\n"
    with Sweep("a.h5") as sweep:
        assert sweep["W"].shape == (2, 1, 3, 3, 6)


def test_a_part_that_fails_is_told(capsys):
    assert run("geometry", "--over", "sets=2,4", *SHORT) == 3
    printed = capsys.readouterr()
    assert printed.out == "geometry-sweep.h5\n"
    assert (
        printed.err.splitlines(keepends=True)[-1]
        == "dyn: failed at sets=4: sets=4 does not divide n_features=6 evenly\n"
    )


def test_models_that_diverge_are_told_of_and_are_no_failure(capsys):
    # Of single precision the greatest number is 3e38.
    assert run("geometry", "--over", "lr=1e-3,1e39", *SHORT, "--repeat", "2") == 0
    printed = capsys.readouterr()
    assert printed.out == "geometry-sweep.h5\n"
    assert (
        printed.err.splitlines(keepends=True)[-1]
        == "dyn: 2 models diverged; `dyn info geometry-sweep.h5` says at which points\n"
    )


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["phase-2x2"], 2, "phase-2x1?"),
        (["phase-2x1", "--over", "density=log:0:1:5"], 2, "no range"),
        (["phase-2x1", *FEW, "--engine", "lky"], 2, "did you mean loky"),
        (["phase-2x1", *FEW, "--address", "tcp://a:1"], 2, "this machine"),
        (["phase-2x1", *FEW, "-o", "nowhere/a.h5"], 1, "create it first"),
        (["geometry", *SHORT, "--device", "nonsense"], 2, "device='nonsense' cannot be used here"),
    ],
)
def test_a_mistake_is_one_line(arguments, code, message, capsys):
    assert run(*arguments) == code
    printed = capsys.readouterr().err
    errors = [line for line in printed.splitlines() if not line.startswith("dyn: sweep of ")]
    assert len(errors) == 1
    assert message in errors[0]
    assert not list(Path().iterdir())


def test_a_dry_run_trains_and_writes_nothing(capsys):
    assert run("phase-2x1", *FEW, "--dry-run") == 0
    printed = capsys.readouterr()
    assert printed.out == ""
    first, price = printed.err.splitlines()
    assert first == "dyn: sweep of phase-2x1, 12 models at 6 points"
    assert price.startswith("phase-2x1-sweep.h5: 12 models in 1 task, about ")
    assert " on 1 worker; " in price
    assert price.endswith("free, it fits")
    assert not list(Path().iterdir())


def test_a_dry_run_that_does_not_fit_or_has_no_folder_fails(capsys, monkeypatch):
    monkeypatch.setattr("dyn.recorders.sweeps.cost.free_bytes", lambda _: 100)
    assert run("phase-2x1", *FEW, "--dry-run") == 1
    assert capsys.readouterr().err.endswith("100 bytes free, it DOES NOT FIT\n")
    assert run("phase-2x1", *FEW, "--dry-run", "-o", "nowhere/a.h5") == 1
    assert capsys.readouterr().err.startswith("dyn: nowhere is no directory")


def test_it_speaks_before_torch_is_loaded():
    code = """
import sys
from dyn.recorders.sweeps.paper import plan_sweep
str(plan_sweep("geometry", ["lr=0.1,0.2"])), str(plan_sweep("phase-2x1"))
sys.exit("torch" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


def test_an_existing_result_is_kept(capsys):
    assert run("phase-2x1", *FEW) == 0
    assert run("phase-2x1", *FEW) == 1
    assert "exists already" in capsys.readouterr().err
    assert run("phase-2x1", *FEW, "--force") == 0


def dyn(*arguments: str) -> int:
    with pytest.raises(SystemExit) as exit_:
        main([*arguments])
    return int(str(exit_.value.code))


def test_a_sweep_says_what_it_holds_and_what_happened(capsys):
    settings = ["batch_size=4", "evaluation_size=8", "every=1", "steps=20"]
    few = [word for setting in settings for word in ("--set", setting)]
    sweep = ["geometry", "--over", "lr=0.1,0.2", "--repeat", "5", "--record", "--workers", "1", "-o", "a.h5"]
    assert run(*sweep, *few) == 0
    capsys.readouterr()
    assert dyn("info", "a.h5") == 0
    assert "a.h5: sweep of geometry, 2 points of 5 models" in capsys.readouterr().out
    assert dyn("info", "a.h5", "--json") == 0
    assert len(json.loads(capsys.readouterr().out)["statistics"]["points"]) == 2
    assert dyn("jumps", "a.h5") == 0
    assert "lr=0.1: 5 models\n  jumps " in capsys.readouterr().out
    assert dyn("jumps", "a.h5", "--json") == 0
    assert json.loads(capsys.readouterr().out)["points"][1]["jumps"]["per_model"]["value"] >= 0
    assert dyn("plot", "a.h5") == 0
    assert capsys.readouterr().out == "a-ensemble-dynamics.png\n"


def test_jumps_of_a_sweep_without_trajectories_are_refused(capsys):
    assert run("phase-2x1", *FEW) == 0
    capsys.readouterr()
    assert dyn("jumps", "phase-2x1-sweep.h5") == 1
    assert capsys.readouterr().err == "dyn: phase-2x1-sweep.h5 keeps no trajectories; sweep with --record\n"
    assert dyn("jumps", "phase-2x1-sweep.h5", "--instance", "3") == 2


@pytest.mark.parametrize("command", [["animate", "--seconds", "0.2", "--fps", "10", "--size", "640x360"], ["report"]])
@pytest.mark.parametrize("recorded", [True, False])
def test_what_moves_is_made_of_trajectories_only(command, recorded, capsys):
    options = ["--set", "every=1", "--record"] if recorded else []
    assert run("geometry", "--over", "lr=0.1,0.2", *SHORT, *options, "-o", "a.h5") == 0
    capsys.readouterr()
    with pytest.raises(SystemExit) as exit_:
        main([command[0], "a.h5", *command[1:]])
    printed, suffix = capsys.readouterr(), "gif" if command[0] == "animate" else "html"
    if recorded:
        assert (exit_.value.code or 0, printed.out) == (0, f"a.{suffix}\n")
        assert Path(f"a.{suffix}").stat().st_size > 1000
    else:
        assert (exit_.value.code, printed.out) == (1, "")
        assert printed.err.startswith("dyn: a.h5 holds how its models end, and nothing moves")
        assert not Path(f"a.{suffix}").exists()
