"""The comparison of two runs: where they part, how far they go, at which rate, and whose jumps are whose."""

import numpy as np
import pytest
import torch
from torch import nn

import dyn
from dyn.dynamics.errors import SettingError
from dyn.viz import plot_comparison
from dyn.viz.kinds import default_kind, plot

RATE, PARTED = 0.04, 100


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs whose parameters are 1, and from step 100 on grow apart at a rate until they are 1 apart."""
    folder = tmp_path_factory.mktemp("runs")
    for name in ("a", "b"):
        model = nn.Linear(8, 4, bias=False).double()
        with dyn.attach(model, None, folder / f"{name}.h5") as recorder, torch.no_grad():
            for k in range(800):
                apart = 1e-9 * np.exp(RATE * (k - PARTED)) if name == "b" and k >= PARTED else 0.0
                model.weight.fill_(1.0)
                model.weight[0, 0] += apart / (1 + apart)
                recorder.step(loss=2.0 - k / 800 + apart / (1 + apart))
    with dyn.open(folder / "a.h5") as a, dyn.open(folder / "b.h5") as b:
        yield a, b


def test_the_figure_draws_the_parting_the_distance_and_its_rate(runs):
    figure = plot_comparison(runs[0], other=runs[1])
    losses, distance = figure.axes
    assert [line.get_label() for line in losses.lines] == ["A", "B"]
    assert distance.get_yscale() == "log"
    drawn, parting, rate = distance.lines
    x, y = np.asarray(drawn.get_xydata()).T
    late = np.isfinite(y)
    assert x[late][0] == PARTED
    assert y[late][-1] == pytest.approx(1.0, rel=0.05)
    assert list(parting.get_xdata()) == [PARTED, PARTED]
    (x0, y0), (x1, y1) = np.asarray(rate.get_xydata())
    assert np.log(y1 / y0) / (x1 - x0) == pytest.approx(RATE, rel=0.05)
    said = figure.get_supxlabel().replace("\n", " ")
    assert "part at step 100, dotted" in said
    assert "exponential growth at 0.0" in said


def test_equal_runs_have_no_difference_to_draw(runs):
    figure = plot(runs[0], "comparison", other=runs[0].path)
    assert "no difference" in [text.get_text() for text in figure.axes[1].texts]
    assert "are equal" in figure.axes[0].get_title(loc="left")


def test_another_recording_is_needed_and_chooses_the_kind(runs):
    with pytest.raises(SettingError, match="second recording"):
        plot(runs[0], "comparison")
    assert default_kind(runs[0], ["other"]).name == "comparison"
    assert default_kind(runs[0]).name != "comparison"
    with pytest.raises(SettingError, match="no option of the figure 'levels'"):
        plot(runs[0], "levels", other=runs[1])


def test_it_is_drawn_in_the_place_of_an_axes(runs):
    import matplotlib.pyplot as plt

    _, (left, right) = plt.subplots(1, 2)
    figure = plot_comparison(runs[0], left, other=runs[1])
    assert figure is right.figure
