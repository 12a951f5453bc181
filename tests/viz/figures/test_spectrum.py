"""The spectrum figure: what it draws is what the landscape says."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import LineCollection

from dyn.dynamics.errors import SettingError
from dyn.dynamics.synthetic.trajectories import Plan, plant
from dyn.recorders.stories.saddles import curvatures
from dyn.viz import plot_spectrum
from dyn.viz.kinds import kinds_of


@pytest.fixture(scope="module")
def figure(geometry):
    return plot_spectrum(geometry)


def lines_of(figure) -> list[np.ndarray]:
    (lines,) = [each for each in figure.axes[0].collections if isinstance(each, LineCollection)]
    return [np.asarray(segment) for segment in lines.get_segments()]


def test_every_eigenvalue_across_rotations_is_drawn(figure, geometry):
    lines = lines_of(figure)
    steps = [int(step) for step in lines[0][:, 0]]
    assert steps[0] == 0
    assert steps[-1] == 3000
    assert len(steps) <= 40
    few = [steps[0], steps[20], steps[-1]]
    for step, found in curvatures(geometry, few).items():
        at = steps.index(step)
        np.testing.assert_allclose([line[at, 1] for line in lines], found.eigenvalues, atol=1e-12)
        index = figure.axes[1].lines[0]
        assert index.get_ydata()[at] == found.saddle_index


def test_the_curvatures_below_zero_are_marked(figure):
    below = sum(int((line[:, 1] < 0).sum()) for line in lines_of(figure))
    marked = [np.asarray(line.get_ydata()) for line in figure.axes[0].lines if line.get_marker() == "v"]
    assert sum(map(len, marked)) == below > 0
    assert all((values < 0).all() for values in marked)
    # The plateau of merged sets leads down in many directions, the octahedron in none but weak ones.
    index = figure.axes[1].lines[0].get_ydata()
    assert index[12] >= 4 > index[-1]


def test_the_panels_share_the_steps_and_fit_into_one_place(figure, geometry, monkeypatch):
    assert len(figure.axes) == 3
    assert len({axes.get_xlim() for axes in figure.axes}) == 1
    assert "waits at a saddle" in figure.get_supxlabel()
    monkeypatch.setattr("dyn.viz.figures.spectrum._ROWS", 5)
    host, (left, right) = plt.subplots(1, 2, layout="constrained")
    assert plot_spectrum(geometry, right) is host
    assert not right.axison
    assert left.axison


def test_a_member_of_an_ensemble_can_be_chosen(ensemble, monkeypatch):
    monkeypatch.setattr("dyn.viz.figures.spectrum._ROWS", 5)
    one, other = (lines_of(plot_spectrum(ensemble, instance=k)) for k in (0, 2))
    # 4 × 5 weights and 5 biases, and six planes to turn in.
    assert len(one) == len(other) == 25 - 6
    assert abs(one[-1][-1, 1] - other[-1][-1, 1]) > 1e-3


def test_what_has_no_known_loss_has_no_spectrum(planted):
    recording = planted(plant(Plan(rows=500)))
    assert "spectrum" not in kinds_of(recording)
    with pytest.raises(SettingError, match="'spectrum' shows the Hessian of a toy model"):
        plot_spectrum(recording)
