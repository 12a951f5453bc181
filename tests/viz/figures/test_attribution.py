"""The attribution figure, looked at by what it draws."""

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from torch import nn

import dyn
from dyn.dynamics.errors import SettingError
from dyn.dynamics.experiments import EXPERIMENTS
from dyn.recorders.experiment import record_experiment
from dyn.recorders.stories.payers import attribute_jumps
from dyn.viz import plot_attribution
from dyn.viz.kinds import kinds_of


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    experiment = EXPERIMENTS["energy-levels"].with_settings(steps=40, evaluation_size=256)
    with dyn.open(record_experiment(experiment, tmp_path_factory.mktemp("paid") / "run.h5")) as recording:
        yield recording


def test_bars_of_a_panel_add_up_to_its_change(recording):
    rows = attribute_jumps(recording)
    figure = plot_attribution(recording)
    _, *panels = figure.axes
    assert len(panels) == len(rows) == 1
    widths = [bar.get_width() for bar in panels[0].patches]
    assert sum(widths) == pytest.approx(rows[0].allocation.total)
    labels = [label.get_text() for label in panels[0].get_yticklabels()]
    # Six features, all others, and the biases.
    assert labels[-2:] == ["24 others", "b"]
    assert len(labels) == len(widths) == 8
    largest = max(rows[0].allocation.by_feature.items(), key=lambda item: abs(item[1]))[0]
    assert str(largest) in labels
    plt.close(figure)


def test_first_order_is_called_so(tmp_path):
    model = nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with dyn.attach(model, optimizer, tmp_path / "run.h5", gradients="allocation") as recorder:
        for _ in range(5):
            optimizer.zero_grad()
            loss = model(torch.ones(2, 4)).square().mean()
            loss.backward()
            recorder.log(loss=loss)
            optimizer.step()
    with dyn.open(tmp_path / "run.h5") as recording:
        figure = plot_attribution(recording)
    text = " ".join(each.get_text() for each in figure.findobj(lambda each: hasattr(each, "get_text")))
    assert "to first order" in " ".join(text.split())
    assert np.isfinite([bar.get_width() for bar in figure.axes[1].patches]).all()
    plt.close(figure)


def test_where_nobody_knows_who_paid_it_says_how_to_record_it(tmp_path):
    model = nn.Linear(4, 3)
    with dyn.attach(model, None, tmp_path / "run.h5") as recorder:
        recorder.step()
    with dyn.open(tmp_path / "run.h5") as recording:
        assert "attribution" not in kinds_of(recording)
        with pytest.raises(SettingError, match="gradients='allocation'"):
            plot_attribution(recording)
