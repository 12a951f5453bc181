"""Jumps are bands through both panels, named where there is room, and numbered with a key where they are many."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.patches import Rectangle

from dyn.dynamics.jumps import detect_jumps
from dyn.dynamics.synthetic.trajectories import Plan, plant
from dyn.viz import plot_levels
from dyn.viz.parts.jump_marks import name_jump


def plan(events: int, **more) -> Plan:
    return Plan(rows=4000, features=8, events=events, noise=0.05, ramp=(0.002, 0.01), gap=0.02, **more)


def bands(ax) -> list[tuple[float, float]]:
    drawn = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    return [(band.get_x(), band.get_x() + band.get_width()) for band in drawn]


def marks(ax) -> list[str]:
    """Return what is written above the panel."""
    return [text.get_text() for text in ax.texts if text.get_va() == "bottom"]


@pytest.mark.parametrize("events", [0, 1, 20])
def test_every_jump_is_a_band_through_both_panels(planted, events):
    truth = plant(plan(events), seed=3)
    recording = planted(truth)
    upper, lower = plot_levels(recording).axes
    jumps = detect_jumps(recording.features["W"]["dimensionality"][:], truth.expected_loss, truth.step)
    assert len(jumps) == events
    assert bands(upper) == bands(lower) == [(jump.start, jump.end) for jump in jumps]


def test_a_jump_is_named_where_there_is_room(planted):
    truth = plant(plan(1), seed=3)
    upper = plot_levels(planted(truth)).axes[0]
    (mark,) = marks(upper)
    assert mark.startswith("feature")
    for feature in truth.jumps[0].features:
        assert str(feature) in mark
    assert "→" in mark


def test_twenty_jumps_are_numbered_and_told_below(planted):
    truth = plant(plan(20), seed=3)
    figure = plot_levels(planted(truth))
    assert marks(figure.axes[0]) == [str(k + 1) for k in range(20)]
    lines = [line for line in figure.get_supxlabel().splitlines() if line[0].isdigit()]
    assert len(lines) == 16
    assert all(line.startswith(f"{k + 1}   steps ") and "feature" in line for k, line in enumerate(lines))
    assert figure.get_supxlabel().endswith("and 4 more, which `dyn jumps` tells")


@pytest.mark.parametrize("events", [1, 4, 20])
def test_nothing_that_is_written_overlaps_or_leaves_the_figure(planted, events):
    figure = plot_levels(planted(plant(plan(events), seed=3)))
    figure.canvas.draw()
    upper = figure.axes[0]
    written = [upper.title, upper._left_title, *(text for text in upper.texts if text.get_va() == "bottom")]
    boxes = [text.get_window_extent() for text in (*written, *figure.texts) if text.get_text()]
    for k, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:k])
        assert figure.bbox.x0 <= box.x0
        assert box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0
        assert box.y1 <= figure.bbox.y1


def test_the_key_is_left_out_of_an_axes_of_your_own(planted):
    figure, ax = plt.subplots()
    plot_levels(planted(plant(plan(20), seed=3)), ax)
    assert len(bands(ax)) == 20
    assert figure.texts == []


def test_features_that_end_at_one_level_are_named_together():
    truth = plant(plan(1, drift=0.0), seed=3)
    (jump,) = detect_jumps(truth.signal, step=truth.step)
    group = type(jump)(**{**vars(jump), "features": (3, 5, 9), "before": np.array([0.0, 0.0, 2 / 3]),
                          "after": np.array([0.5, 0.501, 0.31])})  # fmt: skip
    assert name_jump(group, 2) == "features 3, 5: 0 → 1/2\nfeature 9: 2/3 → 0.31"
    assert name_jump(group, 1) == "features 3, 5: 0 → 1/2\nand 1 other"


def test_many_features_are_counted():
    truth = plant(plan(1, drift=0.0), seed=3)
    (jump,) = detect_jumps(truth.signal, step=truth.step)
    crowd = type(jump)(**{**vars(jump), "features": tuple(range(9)), "before": np.full(9, 0.1),
                          "after": np.linspace(0.48, 0.52, 9)})  # fmt: skip
    assert name_jump(crowd, 2) == "9 features: 0.10 → 1/2"


def test_the_features_that_jump_far_have_their_numbers_on_their_curves(planted):
    truth = plant(plan(2), seed=3)
    upper = plot_levels(planted(truth)).axes[0]
    written = [text for text in upper.texts if text.get_bbox_patch()]
    assert written
    jumping = {feature for jump in truth.jumps for feature in jump.features}
    for text in written:
        features = [int(each) for each in text.get_text().split(", ")]
        assert set(features) <= jumping
        row = int(np.searchsorted(truth.step, text.xy[0]))
        # The recording holds single precision.
        assert text.xy[1] == pytest.approx(truth.signal[row, features].mean(), abs=1e-6)
