"""One table says which figures there are, which fit a recording, and which one it gets by default."""

import matplotlib.pyplot as plt
import pytest
import torch

import dyn
import dyn.viz
from dyn.dynamics.errors import RecordingError, SettingError
from dyn.dynamics.experiments import EXPERIMENTS
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
    monkeypatch.setattr("dyn.viz.levels.draw_levels", fail)
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
