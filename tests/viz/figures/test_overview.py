"""The overview: what it measures of each matrix, what it draws of what was logged, and what it says."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from torch import nn

import dyn
from dyn.dynamics.errors import SettingError
from dyn.viz import plot_overview
from dyn.viz.kinds import default_kind, plot
from dyn.viz.parts.network_history import at_random, history_of, measured
from dyn.viz.parts.signals import sort_signals


class Network(nn.Module):
    """Two matrices, one of which doubles, and a kernel."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.still, self.twice = nn.Linear(40, 30, bias=False), nn.Linear(30, 10, bias=False)
        self.kernel = nn.Conv2d(2, 3, 3, bias=False)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    path, model = tmp_path_factory.mktemp("networks") / "net.h5", Network()
    first = model.twice.weight.detach().clone()
    probes = {"few": lambda m: m.still.weight[0, :3], "many": lambda m: m.still.weight}
    with dyn.attach(model, None, path, probes=probes) as recorder, torch.no_grad():
        for row in range(60):
            model.twice.weight.copy_(first * (1 + row / 59))
            scalars = {"accuracy": row / 60, "grad_norm": 50.0 + row, "constant": 0.5}
            recorder.step(loss=10 * 0.9**row, **(scalars if row % 5 == 0 else {}))
    with dyn.open(path) as recording:
        yield recording


def test_what_is_measured_is_what_happened(network):
    history = history_of(network)
    assert history.names == ("still.weight", "twice.weight", "kernel.weight")
    assert history.shapes == ((30, 40), (10, 30), (3, 18))
    still, twice, _ = history.norm
    assert still == pytest.approx(1)
    assert twice == pytest.approx(1 + history.step / 59, rel=1e-5)
    assert not history.update[0].any()
    # Closing adds a last row, like the one before.
    assert history.update[1, :-1] == pytest.approx(1 / (59 + history.step[:-1]), rel=1e-3)
    assert history.update[1, -1] == 0
    assert np.ptp(history.rank, axis=1) == pytest.approx(0, abs=1e-5)


def test_random_directions_have_the_dimensionality_of_random_directions(network):
    # Of n equal ones about m / (m + n - 1).
    assert np.median(at_random(np.ones((1, 60)), 20)) == pytest.approx(20 / 79, rel=0.05)
    assert at_random(np.array([[1.0, 0, 0]]), 4).reshape(-1, 3)[0] == pytest.approx([1, 0, 0])
    # Those of a layer that was never trained are as these.
    D = network.features["still.weight"]["dimensionality"][-1]
    drawn = at_random(network.features["still.weight"]["norm"][-1:], 30)
    assert np.median(D) == pytest.approx(np.median(drawn), abs=0.03)


def test_the_figure_has_every_matrix_and_signal(network):
    figure = plot_overview(network)
    figure.canvas.draw()
    texts = [text.get_text() for ax in figure.axes for text in (*ax.get_yticklabels(), ax.title, ax.yaxis.label)]
    for name in ("still.weight", "twice.weight", "kernel.weight"):
        assert texts.count(name) >= 3
    for label in ("loss", "accuracy", "grad norm", "few"):
        assert label in texts
    said = " ".join(figure.get_supxlabel().split())
    assert "twice.weight changes most, to 2 times the first" in said
    assert "The same in every row: constant 0.5" in said
    assert "Not drawn, but with --signal: many" in said


def test_any_signal_can_be_drawn_and_an_unknown_one_is_named(network):
    assert [panel.names for panel in sort_signals(network, "many").panels] == [("many",)]
    assert [panel.names for panel in sort_signals(network, "constant").panels] == [("constant",)]
    assert plot_overview(network, signal="many").axes
    with pytest.raises(SettingError, match="unknown scalar or probe 'acuracy'; did you mean accuracy"):
        plot_overview(network, signal="acuracy")


def test_some_matrices_or_one_are_drawn(network):
    assert "2 matrices" in plot_overview(network, parameter="[st]*").get_suptitle()
    assert "net: kernel.weight" in plot_overview(network, parameter="kernel.*").get_suptitle()
    with pytest.raises(SettingError, match="unknown matrix"):
        plot_overview(network, parameter="nothing")


def test_it_is_drawn_in_the_place_of_an_axes(network):
    figure, (left, _) = plt.subplots(1, 2, figsize=(16, 8), layout="constrained")
    assert plot_overview(network, left) is figure


def test_a_network_gets_it_by_default_and_a_catalogue_experiment_its_own(network, geometry, ensemble):
    assert default_kind(network).name == "overview"
    assert default_kind(geometry).name == "regimes"
    assert default_kind(ensemble).name != "overview"
    with pytest.raises(SettingError, match="'overview' shows"):
        plot(ensemble, "overview")


def test_a_recording_without_matrices_has_a_figure_of_what_was_logged(tmp_path):
    model = nn.BatchNorm1d(3)
    with dyn.attach(model, None, tmp_path / "run.h5") as recorder:
        for row in range(20):
            recorder.step(loss=1 / (1 + row), accuracy=0.05 * row)
    with dyn.open(tmp_path / "run.h5") as recording:
        assert default_kind(recording).name == "overview"
        figure = plot(recording)
        assert "what was logged" in figure.get_suptitle()
        assert len(figure.axes) == 2


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_diverged_or_begins_at_nothing_is_drawn_all_the_same(bad, tmp_path):
    model = nn.Sequential(nn.Linear(4, 3, bias=False), nn.Linear(3, 2, bias=False))
    with dyn.attach(model, None, tmp_path / "run.h5") as recorder, torch.no_grad():
        model[0].weight.zero_()
        for row in range(20):
            model[1].weight.fill_(1.0 if row < 10 else bad)
            recorder.step(loss=1.0 if row < 12 else bad)
    with dyn.open(tmp_path / "run.h5") as recording:
        plot_overview(recording).canvas.draw()


def test_a_network_that_stays_as_it_is_changes_nothing_most(tmp_path):
    with dyn.attach(Network(), None, tmp_path / "still.h5") as recorder:
        for _ in range(8):
            recorder.step(loss=1.0)
    with dyn.open(tmp_path / "still.h5") as recording:
        said = plot_overview(recording).get_supxlabel()
    assert said.startswith("No matrix changes.")
    assert "most" not in said.split(".")[1]


@pytest.fixture(scope="module")
def in_short(tmp_path_factory):
    """A network of which summaries were kept."""
    path = tmp_path_factory.mktemp("short") / "short.h5"
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(20, 60), torch.nn.ReLU(), torch.nn.Linear(60, 40, bias=False))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with dyn.attach(model, optimizer, path, summaries=True) as recorder:
        for _ in range(20):
            loss = model(torch.ones(4, 20)).square().mean()
            optimizer.zero_grad()
            loss.backward()
            recorder.log(loss=loss.detach())
            optimizer.step()
    with dyn.open(path) as recording:
        yield recording


def test_summaries_have_an_overview(in_short):
    history = history_of(in_short)
    assert history.names == ("0.weight", "2.weight")
    assert history.shapes == ((60, 20), (40, 60))
    assert history.norm.shape == history.update.shape == (2, 20)
    kept = in_short.summaries["2.weight"]
    np.testing.assert_allclose(history.norm[1], kept["norm"][:-1] / kept["norm"][0], rtol=1e-6)
    np.testing.assert_allclose(history.update[1], kept["update"][1:] / kept["norm"][:-1], rtol=1e-6)
    # Measured in a few rows, and drawn as it was last.
    assert np.isfinite(history.rank).all()
    assert history.rank.max() <= 1
    figure = plot_overview(in_short, signal="2.weight/*")
    texts = [text.get_text() for text in figure.findobj(plt.Text)]
    assert "effective rank / full rank" in texts
    # In three maps at least, and as the title of its D.
    assert texts.count("2.weight") >= 4
    assert any("2.weight/gradient norm" in text for text in texts)
    assert default_kind(in_short).name == "overview"


def test_what_was_not_measured_is_as_it_was_last():
    values = np.array([np.nan, 2.0, np.nan, 3.0, np.nan])
    assert measured(values).tolist() == [2, 2, 2, 3, 3]
    assert np.isnan(measured(np.full(3, np.nan))).all()
