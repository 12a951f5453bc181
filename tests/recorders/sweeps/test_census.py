"""The census: known answers from training to the table, and what it says of models that are not at rest."""

import json

import numpy as np
import pytest

from dyn.dynamics.errors import RecordingError, SettingError
from dyn.dynamics.training.at_rest import REST
from dyn.recorders.sweeps.census import CensusPoint, _in_short, census_of, is_census
from dyn.recorders.sweeps.cost import price_sweep
from dyn.recorders.sweeps.paper import plan_sweep
from dyn.recorders.sweeps.run import run_sweep
from dyn.recorders.sweeps.story import sweep_document, sweep_lines
from dyn.recorders.sweeps.sweep import Sweep

SHORT = ("steps=1000", "batch_size=256", "evaluation_size=64")


@pytest.fixture(scope="module")
def planar(tmp_path_factory):
    """Four and five features in a plane, five models of each."""
    path = tmp_path_factory.mktemp("census") / "census.h5"
    plan = plan_sweep("census", ["n_hidden=2", "n_features=4,5"], SHORT, repeat=5)
    run_sweep(plan, path, workers=1)
    with Sweep(path) as sweep:
        yield sweep


def test_four_features_in_a_plane_are_two_digons_and_five_a_pentagon(planar):
    four, five = census_of(planar).points
    assert four.settings == {"density": 0.05, "n_hidden": 2, "n_features": 4}
    assert four.at_rest == five.at_rest == 5
    assert (four.commonest.configuration.name, four.commonest.count) == ("square (2 digons)", 5)
    assert five.commonest.configuration.name == "pentagon"
    assert five.commonest.count >= 4
    assert five.lowest is five.commonest
    # The losses of two digons and of the pentagon, which were known before.
    assert four.lowest.configuration.loss == pytest.approx(0.001670, abs=1e-6)
    assert five.lowest.configuration.loss == pytest.approx(0.008904, abs=1e-6)
    np.testing.assert_allclose(five.lowest.configuration.dimensionality, 0.4, atol=1e-6)


@pytest.mark.slow
def test_six_features_in_space_are_an_octahedron_and_eight_a_square_antiprism(tmp_path):
    plan = plan_sweep("census", ["n_hidden=3", "n_features=6,8"], ["steps=2000", "evaluation_size=64"], repeat=5)
    run_sweep(plan, tmp_path / "a.h5", workers=1)
    with Sweep(tmp_path / "a.h5") as sweep:
        six, eight = census_of(sweep).points
    assert six.commonest.configuration.name == "octahedron (3 digons)"
    assert six.lowest.configuration.loss == pytest.approx(0.002505, abs=1e-6)
    assert eight.commonest.configuration.name == "square antiprism"
    assert eight.lowest.configuration.loss == pytest.approx(0.01593, abs=1e-5)
    assert min(six.commonest.count, eight.commonest.count) >= 4


def test_the_table_and_the_document_say_the_same(planar):
    lines = sweep_lines(planar).splitlines()
    assert "followed to the critical point" in next(line for line in lines if line.startswith("trained"))
    assert lines[-3].split()[:4] == ["density", "m", "n", "commonest"]
    assert lines[-2].split()[:3] == ["0.05", "2", "4"]
    assert lines[-1].endswith("5 of 5")
    told = json.loads(json.dumps(sweep_document(planar), allow_nan=False))["census"]["points"]
    assert [point["at_rest"] for point in told] == [5, 5]
    assert told[0]["found"][0]["polytope"] == "square (2 digons)"
    assert sorted(model for each in told[1]["found"] for model in each["models"]) == [0, 1, 2, 3, 4]


def test_it_is_priced_with_what_coming_to_rest_takes(planar, tmp_path):
    over = ["n_hidden=2", "n_features=4,5"]
    rested, plain = (
        price_sweep(plan_sweep("census", over, SHORT, repeat=5, rested=rests), tmp_path / "a.h5", workers=1)
        for rests in (True, False)
    )
    assert rested.total_bytes == sum(planar.dataset(name).nbytes for name in planar.names)
    at_rest = sum(planar.dataset(name).nbytes for name in REST)
    assert rested.total_bytes - plain.total_bytes == at_rest


def test_another_sweep_has_none(tmp_path):
    plan = plan_sweep(
        "census", ["n_hidden=2", "n_features=4"], ["steps=2", "evaluation_size=8"], repeat=2, rested=False
    )
    run_sweep(plan, tmp_path / "a.h5", workers=1)
    with Sweep(tmp_path / "a.h5") as sweep:
        assert not is_census(sweep)
        assert "levels" in sweep_lines(sweep)
        with pytest.raises(RecordingError, match="--rest"):
            census_of(sweep)


def test_any_toy_experiment_can_be_followed_to_rest_unless_it_keeps_trajectories():
    assert plan_sweep("intro", (), rested=True).rested
    assert not plan_sweep("census", recorded=True).rested
    with pytest.raises(SettingError, match="--no-rest"):
        plan_sweep("census", recorded=True, rested=True)
    with pytest.raises(SettingError, match="not followed to rest"):
        plan_sweep("grokking", rested=True)


def test_no_model_at_rest_is_a_line_of_the_table():
    point = CensusPoint({"n_features": 4}, 3, ())
    assert point.commonest is point.lowest is None
    assert point.cells()[:2] == ["4", "none"]
    assert point.cells()[-1] == "0 of 3"


@pytest.mark.parametrize(
    ("D", "words"),
    [
        ([0.4] * 5, "5 × 0.400"),
        ([0.5, 0.5, 1.0], "2 × 0.500, 1.000"),
        ([0.03, 0.369, 0.397, 0.403], "0.030, 3 × 0.369–0.403"),
    ],
)
def test_dimensionalities_in_short(D, words):
    assert _in_short(np.array(D)) == words
