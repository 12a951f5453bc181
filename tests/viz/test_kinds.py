"""One table says which figures there are, which fit a recording, and which one it gets by default."""

import h5py
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

import dyn
import dyn.viz
from dyn.dynamics.errors import RecordingError, SettingError
from dyn.dynamics.experiments import EXPERIMENTS
from dyn.dynamics.synthetic.trajectories import Plan, plant
from dyn.viz.kinds import KINDS, default_kind, kinds_of, plot


def test_every_kind_has_its_function():
    for kind in KINDS.values():
        assert callable(getattr(dyn.viz, kind.function_name))
        assert kind.function_name in dyn.viz.__all__


def test_every_experiment_that_is_shown_is_in_the_catalogue():
    shown = [name for kind in KINDS.values() for name in kind.shows]
    assert set(shown) <= set(EXPERIMENTS)
    assert len(shown) == len(set(shown))


def test_kinds_of_a_run(geometry):
    others = {"intro", "phase", "uniform", "collapse", "absolute-value", "adversarial", "ensemble", "grokking"}
    assert {"levels", "regimes", "demonstration"} <= set(kinds_of(geometry))
    assert not others & set(kinds_of(geometry))
    assert default_kind(geometry).name == "regimes"


def test_an_option_chooses_among_the_kinds_that_take_it(geometry, ensemble):
    assert default_kind(geometry, ["log_steps"]).name == "levels"
    assert default_kind(ensemble, ["instance"]).name == "levels"


@pytest.mark.parametrize("kind", ["phase", "uniform", "intro"])
def test_a_kind_that_does_not_fit_names_those_that_do(geometry, kind):
    with pytest.raises(SettingError, match=f"'{kind}' shows .*geometry.h5.*levels.*regimes"):
        plot(geometry, kind)


def test_unknown_kinds_and_options_are_named(geometry):
    with pytest.raises(SettingError, match=r"'level'.*levels"):
        plot(geometry, "level")
    with pytest.raises(SettingError, match=r"log_steps=True .*'regimes'"):
        plot(geometry, "regimes", log_steps=True)


def test_a_figure_that_cannot_be_finished_is_closed(geometry, monkeypatch):
    def fail(*_, **__):
        raise ValueError("out of luck")

    mine = plt.figure()
    monkeypatch.setattr("dyn.viz.figures.levels.draw_levels", fail)
    with pytest.raises(ValueError, match="out of luck"):
        plot(geometry, "levels")
    assert plt.get_fignums() == [mine.number]


def test_nothing_to_show_is_said(tmp_path):
    model = torch.nn.Linear(3, 2)
    dyn.attach(model, torch.optim.SGD(model.parameters(), lr=0.1), tmp_path / "run.h5", features=None).close()
    with dyn.open(tmp_path / "run.h5") as recording:
        assert kinds_of(recording) == []
        with pytest.raises(RecordingError, match=r"run.h5 has no features; record with"):
            plot(recording)


def test_features_without_their_matrix_are_drawn_as_levels_only(planted):
    recording = planted(plant(Plan(events=1)))
    recording.close()
    with h5py.File(recording.path, "r+") as file:
        del file["parameters"]
    with dyn.open(recording.path) as bare:
        assert kinds_of(bare) == ["overview", "levels"]
        assert plot(bare).axes
        with pytest.raises(SettingError, match=r"'regimes' shows .*its figures: overview, levels$"):
            plot(bare, "regimes")


@pytest.fixture
def equal(written):
    """Write so many models at each of some values of a rate, of an experiment unless there are several, as ends."""

    def write(models: int, rates: int = 1, name: str = "geometry"):
        W = np.broadcast_to(np.eye(2, 3), (3, models * rates, 2, 3))
        arrays = {
            "step": np.arange(3),
            "features/W/dimensionality": np.ones((*W.shape[:2], 3), np.float32),
            "parameters/W": W,
        }
        sweep = {"sweep": {"experiment": {"name": name}, "axes": {"lr": list(range(rates))}, "repeat": models}}
        settings = {"experiment": {"name": name, "n_features": 3, "density": 0.1, "sets": 1, "repeat": models}}
        return written(arrays, settings if rates == 1 else sweep)

    return write


@pytest.mark.parametrize(
    ("models", "rates", "expected"),
    [(5, 1, "ensemble-dynamics"), (4, 1, "regimes"), (5, 2, "ensemble-dynamics"), (4, 2, "levels")],
)
def test_the_statistics_of_many_models_come_before_one_of_them(models, rates, expected, equal):
    recording = equal(models, rates)
    assert default_kind(recording).name == expected
    assert "ensemble-dynamics" in kinds_of(recording)


def test_a_figure_of_equal_runs_and_of_one_that_is_asked_for_stay(equal):
    assert default_kind(equal(20, name="k-gons")).name == "ensemble"
    assert default_kind(equal(20), ["instance"]).name == "regimes"


def test_too_many_points_are_told_with_the_way_out(equal):
    recording = equal(2, 41)
    with pytest.raises(SettingError, match=r"which \w+\.h5 does not hold: it has 41 points against 40; take .* --over"):
        plot(recording, "ensemble-dynamics")
