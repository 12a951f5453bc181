"""The census figure: a picture at each size, with the polytope's name and its share."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from dyn.dynamics.errors import SettingError
from dyn.dynamics.polytopes.shapes import vertices
from dyn.recorders.sweeps import as_recording
from dyn.recorders.sweeps.paper import plan_sweep
from dyn.recorders.sweeps.result import write_result
from dyn.recorders.sweeps.task_files import SealedFolder
from dyn.viz import kinds, plot_census


def ends(experiment) -> dict[str, np.ndarray]:
    """Return three models at rest: two pentagons or digons and, with one feature dropped, another minimum."""
    m, n = experiment.n_hidden, experiment.n_features
    W = np.zeros((3, m, n))
    W[:, :2, :5] = vertices("pentagon")
    W[2, :, -1] = 0
    b = np.zeros((3, n))
    return {
        "W": W.astype(np.float32),
        "b": b.astype(np.float32),
        "expected_loss": np.ones(3),
        "critical_W": W,
        "critical_b": b,
        "critical_loss": np.array([0.2, 0.2, 0.1]),
        "saddle_index": np.zeros(3),
    }


@pytest.fixture
def census(tmp_path):
    """A census of two sizes in two and three dimensions, of which one has no models."""
    plan = plan_sweep("census", ["n_hidden=2,3", "n_features=5,6"], repeat=3)
    folder = SealedFolder(tmp_path / "tasks")
    tasks = plan.cut()[0][:3]
    for task in tasks:
        folder.seal(task.name, ends(task.experiment))
    write_result(tmp_path / "census.h5", plan, tasks, folder, [])
    with as_recording.recording_of(tmp_path / "census.h5") as recording:
        yield recording


def texts(ax) -> str:
    return "\n".join(each.get_text() for each in ax.texts)


def test_it_is_the_figure_of_a_census(census):
    assert kinds.default_kind(census).name == "census"
    figure = plot_census(census)
    first, second, third, fourth = figure.axes
    assert "pentagon" in texts(first)
    assert "2 of 3 *" in texts(first)
    assert "density = 0.05, m = 2" in texts(first)
    assert "pentagon + 1" in texts(second).replace("\n", " ")
    assert "of 3" in texts(third)
    assert texts(fourth) == "none"
    assert [ax.get_title(loc="center") for ax in figure.axes] == ["n = 5", "n = 6"] * 2
    plt.close(figure)


def test_it_takes_the_place_of_an_axes(census):
    figure, ax = plt.subplots()
    assert plot_census(census, ax) is figure
    plt.close(figure)


def test_other_recordings_have_none(written):
    recording = written({"step": np.arange(3), "scalars/loss": np.ones(3), "parameters/W": np.ones((3, 2, 4))}, {})
    with pytest.raises(SettingError, match="'census'"):
        plot_census(recording)
