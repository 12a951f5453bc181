"""Learning coefficients along a recording: k-gons that were put into the rows, and rows before them."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

import dyn
from dyn.cli import main
from dyn.dynamics.errors import SettingError
from dyn.dynamics.experiments import EXPERIMENTS
from dyn.recorders import llc
from dyn.recorders.experiment import record_experiment

pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.slow]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """One model that ends at the 5-gon+, another seed than the one that the gates were chosen on."""
    experiment = EXPERIMENTS["k-gons"].with_settings(repeat=1, n_instances=1, seed=0, steps=4_000, evaluation_size=64)
    return record_experiment(experiment, tmp_path_factory.mktemp("llc") / "run.h5", every=50)


def test_the_end_is_a_kgon_and_what_is_before_the_jump_has_no_number(path):
    with dyn.open(path) as recording:
        before, end = llc(recording, [700, 4000], instance=0)
    assert before.llc is None
    assert "saddle" in before.verdict
    assert end.theory is not None
    assert end.llc == pytest.approx(end.theory, abs=0.1)
    assert str(end).startswith(f"step 4000: {end.llc:.3f} ± {end.error:.3f} (theory {end.theory:g}) at the {end.known}")


def test_at_the_row_itself_a_slope_is_refused_and_the_end_is_not(path):
    with dyn.open(path) as recording:
        slope, end = llc(recording, [100, 4000], at="row", instance=0)
    assert slope.llc is None
    assert "slope" in slope.verdict or "saddle" in slope.verdict
    assert end.llc == pytest.approx(8.5, abs=0.5)


def test_the_command_prints_one_document(path):
    result = CliRunner().invoke(main, ["llc", str(path), "--steps", "700", "--instance", "0", "--json"])
    assert result.exit_code == 0, result.stderr
    (row,) = json.loads(result.stdout)
    assert row["llc"] is None
    assert row["step"] == 700


@pytest.mark.parametrize(("options", "words"), [
    (["--at", "there"], "at='there'"), (["--steps", "soon"], "'soon' is no step"), (["--instance", "4"], "instance=4"),
])  # fmt: skip
def test_what_cannot_be_is_said_in_one_line(path, options, words):
    result = CliRunner().invoke(main, ["llc", str(path), *options])
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_training_without_a_known_loss_is_refused(tmp_path):
    experiment = EXPERIMENTS["absolute-value"].with_settings(steps=4, evaluation_size=16)
    with dyn.open(record_experiment(experiment, tmp_path / "run.h5")) as recording, pytest.raises(SettingError):
        llc(recording, [0])


def test_independent_features_are_measured_on_samples(tmp_path):
    # Two features in two dimensions, dense: the minimum is W^T W = I, regular but for the rotation: 5/2.
    experiment = EXPERIMENTS["intro"].with_settings(
        n_features=2,
        n_hidden=2,
        density=1.0,
        importance=1.0,
        n_instances=None,
        steps=1_500,
        lr=0.01,
        evaluation_size=256,
    )
    with dyn.open(record_experiment(experiment, tmp_path / "run.h5", every=100)) as recording:
        (row,) = llc(recording, [1500])
    assert row.llc == pytest.approx(2.5, abs=0.1)
    assert np.isfinite(row.loss)
