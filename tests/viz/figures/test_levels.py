"""The levels figure shows the recorded numbers, named lines, and the loss on the same axis."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

import dyn
from dyn.dynamics.errors import RecordingError, SettingError
from dyn.dynamics.polytopes import identify, summary
from dyn.dynamics.signals import stripes
from dyn.dynamics.synthetic.trajectories import Plan, plant
from dyn.recorders.reading.series import Series
from dyn.viz import plot_levels, write_page


def curves(ax) -> list[np.ndarray]:
    """Return the drawn lines of the features, each (K, 2)."""
    return ax.collections[0].get_segments()


def texts(ax) -> set[str]:
    return {text.get_text() for text in ax.texts}


def test_every_feature_is_drawn_as_recorded(geometry, every_step_of):
    upper, lower = plot_levels(geometry).axes
    drawn = curves(upper)
    assert len(drawn) == 6
    for curve in drawn:
        np.testing.assert_array_equal(curve[:, 0], geometry.step[:])
    # What moves most is drawn last, so the order is not that of the features.
    assert {tuple(curve[:, 1]) for curve in drawn} == {tuple(D) for D in every_step_of.T}
    assert upper.get_shared_x_axes().joined(upper, lower)
    assert upper.get_xlim() == (0, 3000)


def test_levels_are_numbers_with_the_names_of_what_was_found(geometry):
    upper = plot_levels(geometry).axes[0]
    # The two triads have not turned yet: all rest at 1/2, and none is in a digon.
    assert summary(identify(geometry.parameters["W"][-1])) == "triangular prism"
    assert {"1  dedicated", "3/4", "2/3", "1/2", "2/5", "3/8", "0  not represented"} <= set(texts(upper))
    heights = {line.get_ydata()[0] for line in upper.lines}
    assert heights == {1, 3 / 4, 2 / 3, 1 / 2, 2 / 5, 3 / 8, 0}


def test_a_polytope_is_named_beside_its_level_where_it_was_found(written):
    W = np.array([[[1.0, -1, 0, 0], [0, 0, 1, -1]]])
    D = np.full((1, 4), 0.5, np.float32)
    recording = written({"step": np.zeros(1, int), "parameters/W": W, "features/W/dimensionality": D}, {})
    assert {"1  dedicated", "2/3", "1/2  digon", "2/5"} <= set(texts(plot_levels(recording).axes[0]))


def test_both_losses_are_drawn(geometry):
    lower = plot_levels(geometry).axes[1]
    minibatch, expected = lower.lines
    np.testing.assert_array_equal(expected.get_ydata(), geometry.scalars["expected_loss"][:])
    assert "mean of 30 rows" in minibatch.get_label()
    assert expected.get_linewidth() > minibatch.get_linewidth()


def test_features_share_the_colour_of_their_set(geometry, every_step_of):
    drawn = plot_levels(geometry).axes[0].collections[0]
    last = [tuple(curve[:, 1]) for curve in drawn.get_segments()]
    colours = [tuple(drawn.get_colors()[last.index(tuple(D))]) for D in every_step_of.T]
    assert colours[0] == colours[1] == colours[2] != colours[3] == colours[4] == colours[5]


def test_into_an_axes_of_your_own(geometry):
    figure, ax = plt.subplots()
    assert plot_levels(geometry, ax) is figure
    assert len(curves(ax)) == 6
    assert len(figure.axes) == 1


def test_an_instance_of_an_ensemble(ensemble):
    figure = plot_levels(ensemble, instance=2)
    upper, lower = figure.axes
    assert "density p = 0.1, instance 2 of 3" in upper.get_title(loc="left")
    drawn = {tuple(curve[:, 1]) for curve in curves(upper)}
    assert drawn == {tuple(D) for D in ensemble.features["W"]["dimensionality"][:, 2].T}
    own = ensemble.probes["expected_loss_of_instance"][:, 2]
    np.testing.assert_array_equal(lower.lines[1].get_ydata(), own)


@pytest.mark.parametrize(
    ("options", "words"), [({"instance": 3}, "instance=3"), ({"parameter": "w"}, "'w'"), ({"instance": -1}, "-1")]
)
def test_what_is_not_there_is_named(ensemble, options, words):
    with pytest.raises(SettingError, match=words):
        plot_levels(ensemble, **options)


def test_a_recording_without_features_says_so(tmp_path):
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    dyn.attach(model, optimizer, tmp_path / "run.h5", features=None).close()
    with dyn.open(tmp_path / "run.h5") as recording, pytest.raises(RecordingError, match="no features"):
        plot_levels(recording)


def test_missing_values_and_no_loss_are_drawn_as_missing(tmp_path):
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with dyn.attach(model, optimizer, tmp_path / "run.h5"):
        model(torch.ones(3)).sum().backward()
        optimizer.step()
        model.weight.data[0, 0] = torch.nan
        optimizer.step()
    with dyn.open(tmp_path / "run.h5") as recording:
        upper, lower = plot_levels(recording).axes
        assert np.isnan(upper.collections[0].get_paths()[0].vertices[-1, 1])
        assert texts(lower) == {"no finite loss was logged"}


def test_what_jumps_is_drawn_over_what_rests(planted):
    truth = plant(Plan(rows=3000, features=40, events=1, noise=0.02, ramp=(0.01, 0.02)), seed=5)
    top = curves(plot_levels(planted(truth)).axes[0])[-len(truth.jumps[0].features) :]
    drawn = {tuple(curve[:, 1]) for curve in top if curve[-1, 1] > 0.1}
    jumping = {tuple(truth.signal[:, i].astype(np.float32)) for i in truth.jumps[0].features}
    assert drawn
    assert drawn <= jumping


@pytest.mark.parametrize("rows", [1999, 2001, 6000])
def test_four_hundred_features_cover_what_all_their_rows_cover(planted, rows):
    truth = plant(Plan(rows=rows, features=400, events=0, noise=0.1), seed=1)
    upper = plot_levels(planted(truth)).axes[0]
    signal = truth.signal.astype(np.float32)
    seen = {(path.vertices[:, 1].min(), path.vertices[:, 1].max()) for path in upper.collections[0].get_paths()}
    assert seen == set(zip(signal.min(axis=0), signal.max(axis=0), strict=True))
    # The picture has some 970 pixel columns; an area has a least and a greatest value for each of a thousand.
    assert all(len(path.vertices) >= min(rows, 2000) for path in upper.collections[0].get_paths())


def test_of_a_long_run_a_few_features_are_in_memory(planted, monkeypatch, tmp_path):
    truth = plant(Plan(rows=8000, features=32, events=3, noise=0.05, ramp=(0.01, 0.02)), seed=3)
    recording, sizes, read = planted(truth), [], Series.__getitem__

    def noting(series, key):
        values = read(series, key)
        if series.ndim == 2:
            sizes.append(values.nbytes)
        return values

    # A fifteenth of D, in which two stripes have room.
    budget = truth.signal.size * 4 // 15
    monkeypatch.setattr(Series, "__getitem__", noting)
    monkeypatch.setitem(stripes.__kwdefaults__, "most_bytes", budget)
    monkeypatch.setattr("dyn.viz.parts.curves._MOST_BYTES", budget)
    plot_levels(recording)
    write_page(recording, tmp_path / "run.html")
    assert max(sizes) <= budget
    # Each value once for the curves and once for the jumps, on the page as in the figure, and a few values beside.
    assert 4 * truth.signal.size * 4 <= sum(sizes) <= 4.01 * truth.signal.size * 4


def test_logarithmic_steps(geometry):
    assert plot_levels(geometry, log_steps=True).axes[1].get_xscale() == "symlog"


@pytest.mark.parametrize("outside", ["clip", "mask"])
def test_on_a_logarithmic_axis_of_your_own_the_curves_have_all_their_rows(planted, outside):
    rows = 6000
    ax = plt.figure().subplots()
    ax.set_xscale("log", nonpositive=outside)
    plot_levels(planted(plant(Plan(rows=rows, features=2), seed=1)), ax=ax)
    # Its last decade alone has a quarter of its length, and half of its bins' points: many more than a staircase has.
    assert all(len(curve) > rows / 10 for curve in curves(ax))


def test_of_a_run_that_diverged_the_rows_before_are_drawn(tmp_path):
    model = torch.nn.Linear(3, 2)
    with dyn.attach(model, None, tmp_path / "run.h5") as recorder:
        for step in range(400):
            if step >= 8:
                model.weight.data[:] = torch.nan
            recorder.step(loss=float(2.0**step) if step < 8 else np.nan)
    with dyn.open(tmp_path / "run.h5") as recording:
        upper, lower = plot_levels(recording).axes
    assert upper.get_xlim() == (0, 8)
    low, high = lower.get_ylim()
    assert low < 1.0
    assert high > 2.0**7
