"""The ensemble figure: a line of marks for each run, the shares of the levels, and how the runs end."""

import numpy as np
import pytest

from dyn.dynamics.errors import SettingError
from dyn.dynamics.levels import LEVELS, TOLERANCE
from dyn.recorders.stories.ensemble_story import tell_ensemble
from dyn.viz import plot_ensemble
from dyn.viz.figures.ensemble import _name_end


@pytest.fixture(scope="module")
def runs(record_short):
    with record_short("k-gons", steps=1500, repeat=6, n_features=5) as recording:
        yield recording


def test_every_jump_of_every_run_is_marked(runs):
    counts, raster, _ = plot_ensemble(runs).axes
    summary = tell_ensemble(runs).summary
    marks = [line for line in raster.lines if line.get_marker() == "|"]
    assert len(marks) == 6
    drawn = sorted(tuple(line.get_xdata()) for line in marks)
    assert drawn == sorted(tuple(times) for times in summary.jump_times)
    assert sum(bar.get_height() for bar in counts.patches) == sum(map(len, summary.jumps))
    segments = [segment for each in raster.collections for segment in each.get_segments()]
    for line in filter(lambda line: len(line.get_ydata()), marks):
        beside = [segment[:, 0].mean() for segment in segments if segment[0, 1] == line.get_ydata().mean()]
        assert sorted(beside) == sorted(line.get_xdata())
    spans = [tuple(segment[:, 0]) for segment in segments]
    assert sorted(spans) == sorted((jump.start, jump.end) for jumps in summary.jumps for jump in jumps)


def test_the_ends_are_counted_at_the_margin(runs):
    raster = plot_ensemble(runs).axes[1]
    counts = [int(text.get_text().split()[0]) for text in raster.texts]
    assert sum(counts) == 6
    assert counts == sorted(counts, reverse=True)


def test_shares_are_means_over_the_runs(runs):
    shares = plot_ensemble(runs).axes[2]
    D = runs.features["W"]["dimensionality"][-1]
    named = {text.get_text(): line for text, line in zip(shares.texts, shares.lines, strict=True)}
    distance = abs(D[..., None] - [float(level.dimensionality) for level in LEVELS])
    for k, level in enumerate(LEVELS):
        line = named.get(f"{level.label}  {level.polytope}") or named.get(level.label)
        share = ((distance.argmin(-1) == k) & (distance[..., k] <= TOLERANCE)).mean()
        if line is not None:
            assert line.get_ydata()[-1] == pytest.approx(share)
        else:
            assert share <= 0.1


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ([("digon", 2), ("not represented", 3)], "square (2 digons)\n3 not represented"),
        ([("pentagon", 1)], "pentagon"),
        ([("not represented", 5)], "5 not represented"),
    ],
)
def test_ends_in_words(found, words):
    assert _name_end(found) == words


def test_runs_of_several_densities_are_no_ensemble_of_equals(densities, geometry):
    for recording in (densities, geometry):
        with pytest.raises(SettingError, match="'ensemble' shows"):
            plot_ensemble(recording)


def test_the_axis_is_that_of_the_steps(runs):
    figure = plot_ensemble(runs)
    assert all(ax.get_xlim() == (0, 1500) for ax in figure.axes)
    assert np.isfinite(figure.axes[2].lines[0].get_ydata()).all()
