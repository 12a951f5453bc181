"""The ensemble-dynamics figure: curves, marks and bars are those of the statistics."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from dyn.dynamics.ensembles.gathering import Model
from dyn.dynamics.ensembles.intervals import IntervalEstimate
from dyn.dynamics.ensembles.many_models import ensemble_dynamics
from dyn.dynamics.errors import RecordingError, SettingError
from dyn.dynamics.levels import LEVELS
from dyn.recorders.sweeps.statistics import PointStatistics, statistics_of
from dyn.viz import plot_ensemble_dynamics
from dyn.viz.figures.sweep import _draw_jumps, _unknown_drops
from dyn.viz.parts.point_shares import _together, draw_shares, formed, name_of

ROWS = 200
# Two features with a dimension each, and then four in antipodal pairs.
BEFORE = np.array([[1.0, 0, 0, 0], [0, 1, 0, 0]])
AFTER = np.array([[1.0, 0, -1, 0], [0, 1, 0, -1]])


@pytest.fixture
def jumping(written):
    """Write eight models, four at each of the values of a rate, that jump at these rows or never, as a recording."""

    def write(rows: tuple[int, ...] = (50, 70, 90, 110, 60, 140, ROWS, ROWS), rates: tuple[float, ...] = (0.1, 0.2)):
        after = np.arange(ROWS)[:, None] >= np.array(rows)
        D = np.where(after[..., None], 0.5, [1.0, 1, 0, 0])
        arrays = {
            "step": 10 * np.arange(ROWS),
            "scalars/loss": np.zeros(ROWS),
            "probes/loss_of_instance": np.where(after, 0.2, 1.0) + 0.01 * np.arange(len(rows)) * ~after,
            "features/W/dimensionality": D.astype(np.float32),
            "parameters/W": np.where(after[..., None, None], AFTER, BEFORE),
        }
        axes = {"lr": list(rates)} if len(rates) > 1 else {}
        return written(arrays, {"sweep": {"experiment": {}, "axes": axes, "repeat": len(rows) // len(rates)}})

    return write


@pytest.fixture
def recording(jumping):
    return jumping()


def test_a_curve_for_each_point_says_how_many_have_jumped(recording):
    first, second, *_ = plot_ensemble_dynamics(recording).axes
    points = statistics_of(recording).points
    assert len(first.lines) == len(second.lines) == 2
    for line, point in zip(first.lines, points, strict=True):
        time = point.dynamics.jump_time()
        np.testing.assert_array_equal(line.get_xdata()[:-1], time.time)
        np.testing.assert_array_equal(line.get_ydata()[:-1], 1 - time.share)
        # To the end of the run, whether somebody is left who may yet jump or not.
        assert line.get_xdata()[-1] == 10 * (ROWS - 1)
    # All of the first, half of the second; and none of them twice.
    assert [line.get_ydata()[-1] for line in first.lines] == [1, 0.5]
    assert [line.get_ydata()[-1] for line in second.lines] == [0, 0]
    assert len(first.collections) == 2


def test_every_jump_is_a_mark_with_its_loss_drop(recording):
    drops = plot_ensemble_dynamics(recording).axes[2]
    marks = [line for line in drops.lines if len(line.get_xdata()) > 2 or line.get_transform() == drops.transData]
    found = np.concatenate([line.get_xydata() for line in marks])
    dynamics = [point.dynamics for point in statistics_of(recording).points]
    expected = [(t, y) for each in dynamics for t, y in zip(
        np.concatenate(each.jump_times), np.concatenate(each.loss_drops), strict=True)]  # fmt: skip
    assert len(expected) == 6
    np.testing.assert_allclose(sorted(map(tuple, found)), sorted(expected))


def test_levels_have_a_panel_for_each_point(recording):
    panels = plot_ensemble_dynamics(recording).axes[3:5]
    assert [ax.get_title(loc="left") for ax in panels] == ["lr = 0.1", "lr = 0.2"]
    for ax, point in zip(panels, statistics_of(recording).points, strict=True):
        for line in ax.lines:
            (k,) = [k for k, level in enumerate(LEVELS) if line.get_label().split("  ")[0] == level.label]
            np.testing.assert_array_equal(line.get_ydata(), point.dynamics.occupancy.mean[:, k])


def test_shares_have_bars(recording):
    shapes = plot_ensemble_dynamics(recording).axes[5]
    drawn = {bars.get_label(): bars for bars in shapes.containers}
    digons = drawn["digon (antipodal pair)"]
    assert digons.lines[0].get_ydata().tolist() == [1, 0.5]
    (bars,) = digons.lines[2]
    formed = [point.dynamics.polytopes["digon"].features for point in statistics_of(recording).points]
    # Of two models that are alike nobody knows how sure their mean is.
    assert np.isnan(formed[0].low)
    drawn_ends = [segment[:, 1].tolist() for segment in bars.get_segments() if len(segment)]
    np.testing.assert_allclose(drawn_ends, [(formed[1].low, formed[1].high)])


def test_one_point_names_its_polytopes_at_the_side(jumping):
    figure = plot_ensemble_dynamics(jumping((50, 100, 150, ROWS), rates=(0.1,)))
    names = [text.get_text() for text in figure.axes[-1].get_yticklabels()]
    assert names == ["digon (antipodal pair)", "dedicated", "not represented"]
    assert len(figure.axes) == 5


def test_ends_alone_have_levels_and_polytopes(written):
    ends = {"step": np.zeros(1, int), "features/W/dimensionality": np.full((1, 4, 4), 0.5, np.float32)}
    recording = written(ends | {"parameters/W": np.stack([[AFTER] * 4])}, {})
    levels, polytopes = plot_ensemble_dynamics(recording).axes
    assert [text.get_text() for text in polytopes.get_yticklabels()] == ["digon (antipodal pair)"]
    assert [text.get_text() for text in levels.get_yticklabels()] == ["1/2"]


def test_one_model_at_each_point_is_no_ensemble(densities):
    with pytest.raises(SettingError, match="'ensemble-dynamics' shows"):
        plot_ensemble_dynamics(densities)


def test_into_an_axes_of_your_own(recording):
    figure, (left, right) = plt.subplots(1, 2, layout="constrained")
    assert plot_ensemble_dynamics(recording, right) is figure
    assert left.axison
    assert not right.axison


def test_what_is_rare_is_left_out_and_what_is_missing_is_nothing():
    common, rare = IntervalEstimate(0.5, 0.4, 0.6), IntervalEstimate(0.01, 0.0, 0.02)
    shares = _together([{"digon": common, "unnamed": rare}, {"pentagon": common}])
    assert shares == {"digon": [common, IntervalEstimate(0, 0, 0)], "pentagon": [IntervalEstimate(0, 0, 0), common]}


def test_points_are_named_by_their_settings(recording):
    assert [name_of(point) for point in statistics_of(recording).points] == ["lr = 0.1", "lr = 0.2"]


def test_a_colour_a_mark_and_a_stroke_go_with_the_name(recording):
    points = statistics_of(recording).points
    digon, other = IntervalEstimate(0.6, 0.5, 0.7), IntervalEstimate(0.3, 0.2, 0.4)
    looks = []
    for shares in ({"digon": [digon] * 2}, {"unnamed": [digon] * 2, "digon": [other] * 2}):
        ax = plt.figure().subplots()
        draw_shares(ax, points, shares, "")
        line = next(bars.lines[0] for bars in ax.containers if "digon" in bars.get_label())
        looks.append((line.get_color(), line.get_marker(), line.get_linestyle()))
    assert looks[0] == looks[1]


def test_an_unknown_interval_has_no_bar(recording):
    points = statistics_of(recording).points
    for some in (points[:1], points):
        ax = plt.figure().subplots()
        draw_shares(ax, some, {"digon": [IntervalEstimate(0.5, np.nan, np.nan)] * len(some)}, "")
        ax.figure.canvas.draw()
        (bars,) = ax.containers[0].lines[2]
        # A segment of no length would say that the share is known for certain.
        assert not any(np.isfinite(segment).all() and segment.size for segment in bars.get_segments())


@pytest.fixture
def planted():
    """Return a point of eight models, whose loss falls by so much as each jumps, and which fail from a row on."""

    def point(falls: list[float], ends: int = ROWS):
        rows = np.arange(ROWS)
        models = []
        for k, fall in enumerate(falls):
            after = rows >= 60 + 5 * k
            D = np.where(after[:, None], 0.5, [1.0, 1, 0, 0])
            D[ends:] = np.nan
            models.append(Model(D, None if np.isnan(fall) else np.where(after, 5 - fall, 5), AFTER))
        return PointStatistics({}, ensemble_dynamics(models, 10 * rows))

    return point


@pytest.mark.parametrize(("falls", "scale"), [([0.01, 1, 2], "log"), ([0.01, 1, -2], "linear")])
def test_a_rise_of_the_loss_is_drawn_among_the_drops(falls, scale, planted):
    figure = plt.figure(layout="constrained")
    _draw_jumps(figure.subfigures(1, 1), [planted(falls)])
    drops = figure.axes[2]
    assert drops.get_yscale() == scale
    low, high = drops.get_ylim()
    assert low < min(falls) < max(falls) < high


def test_jumps_without_a_known_change_of_the_loss_are_counted(planted):
    assert _unknown_drops([planted([1, 2])]) == ""
    assert (
        _unknown_drops([planted([1, np.nan])]) == " Of 1 of the 2 jumps no change of the loss is known; c lacks them."
    )


def test_no_model_that_reaches_the_end_is_said(planted):
    point = planted([1, 2], ends=190)
    assert formed([point]) == {}
    for points in ([point], [point, point]):
        ax = plt.figure().subplots()
        draw_shares(ax, points, formed(points), "")
        assert [text.get_text() for text in ax.texts] == ["no model reached the end"]
    both = formed([point, planted([1, 2])])
    assert np.isnan(both["digon"][0].value)
    assert both["digon"][1].value == 1


def test_failed_models_are_in_the_title(written, jumping):
    arrays = {"step": np.zeros(1, int), "features/W/dimensionality": np.full((1, 5, 4), 0.5, np.float32)}
    arrays["features/W/dimensionality"][0, 3:] = np.nan
    recording = written(arrays | {"parameters/W": np.stack([[AFTER] * 5])}, {})
    assert plot_ensemble_dynamics(recording).get_suptitle().endswith("3 models; 2 more failed")
    assert "failed" not in plot_ensemble_dynamics(jumping()).get_suptitle()


def test_nothing_is_drawn_where_all_models_failed(jumping, monkeypatch):
    recording = jumping()
    failed = Model(np.full((ROWS, 4), np.nan), None, AFTER)
    point = PointStatistics({}, ensemble_dynamics([failed], 10 * np.arange(ROWS)))
    monkeypatch.setattr("dyn.viz.figures.sweep._told", lambda *_: (point,))
    with pytest.raises(RecordingError, match="all its models failed"):
        plot_ensemble_dynamics(recording)
