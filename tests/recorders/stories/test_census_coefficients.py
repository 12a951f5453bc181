"""The coefficients of a census: half the parameters that the loss sees at what models form."""

import json

import numpy as np
import pytest

from dyn.dynamics.errors import RecordingError
from dyn.dynamics.landscape.llc import LlcEstimate
from dyn.recorders.stories import census_coefficients as stories
from dyn.recorders.stories.census_coefficients import census_coefficients
from dyn.recorders.sweeps.paper import plan_sweep
from dyn.recorders.sweeps.run import run_sweep
from dyn.recorders.sweeps.sweep import Sweep

SHORT = ["steps=1000", "batch_size=256", "evaluation_size=1024"]


@pytest.fixture
def pentagons(tmp_path):
    plan = plan_sweep("census", ["n_hidden=2", "n_features=5"], SHORT, repeat=2)
    run_sweep(plan, tmp_path / "a.h5", workers=1)
    with Sweep(tmp_path / "a.h5") as sweep:
        yield sweep


@pytest.mark.slow
def test_a_pentagon_has_half_its_parameters_less_the_rotation(pentagons):
    (found,) = census_coefficients(pentagons)
    assert found.name == "pentagon"
    # W has ten numbers and b five, of which the rotation of the plane takes one.
    assert found.regular == (10 + 5 - 1) / 2
    assert found.estimate.verdict == "ok"
    assert found.estimate.llc == pytest.approx(7, abs=max(0.05, 3 * found.estimate.error))
    assert str(found).startswith("density=0.05, n_hidden=2, n_features=5: ")
    assert "regular 7, of pentagon" in str(found)
    assert json.loads(json.dumps(found.as_dict(), allow_nan=False))["settings"]["n_features"] == 5


def test_where_the_samples_have_another_minimum_there_is_no_number(pentagons, monkeypatch):
    monkeypatch.setattr(stories, "_BESIDE", 0.0)
    (found,) = census_coefficients(pentagons)
    assert found.estimate.llc is None
    assert "no minimum of the sampled loss" in str(found)


def test_without_a_model_at_rest_there_is_no_number(pentagons, monkeypatch):
    (point,) = stories.census_of(pentagons).points
    monkeypatch.setattr(stories, "estimate", lambda *_, **__: LlcEstimate(1.0, 0.1, "ok", None, None))
    nothing = type(point)(point.settings, 2, ())
    monkeypatch.setattr(stories, "census_of", lambda _: type("Census", (), {"points": (nothing, point)}))
    first, second = census_coefficients(pentagons)
    assert (first.name, first.estimate.llc, second.estimate.llc) == (None, None, 1.0)
    assert str(first).endswith("no model came to rest")


def test_a_sweep_without_rest_is_refused(tmp_path):
    run_sweep(plan_sweep("intro", ["lr=0.1"], ["steps=2", "evaluation_size=8"]), tmp_path / "a.h5", workers=1)
    with Sweep(tmp_path / "a.h5") as sweep, pytest.raises(RecordingError, match="--rest"):
        np.array(list(census_coefficients(sweep)))
