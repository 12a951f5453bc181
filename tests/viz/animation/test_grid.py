"""The grid: every cell has its place, and its name."""

import itertools

import pytest
import torch

import dyn
from dyn.recorders.reading.selection import select
from dyn.viz.animation.grid import MOST_RUNS, grid_places, titles
from dyn.viz.playback.footage import Footage


@pytest.mark.parametrize("size", [(1280, 720), (720, 1280), (800, 800)])
@pytest.mark.parametrize("count", range(2, MOST_RUNS + 1))
def test_nothing_lies_on_anything_else(count, size):
    places = grid_places(count, size)
    assert len(places) == count
    boxes = [box for place in places for box in (place.space, place.levels)]
    for x, y, width, height in boxes:
        assert 0 <= x < x + width <= 1 + 1e-9
        assert 0 < y < y + height < 0.9
    for (x, y, width, height), (x2, y2, width2, height2) in itertools.combinations(boxes, 2):
        assert x + width <= x2 + 1e-9 or x2 + width2 <= x + 1e-9 or y + height <= y2 + 1e-9 or y2 + height2 <= y + 1e-9


def test_three_runs_stand_side_by_side_on_a_wide_picture():
    places = grid_places(3, (1280, 720))
    assert len({place.space[1] for place in places}) == 1


def test_one_run_has_its_own_title(geometry):
    run = Footage(select(geometry))
    assert titles([run]) == (run.selection.title, [""])


def test_members_are_told_apart_by_their_density(ensemble):
    title, names = titles([Footage(select(ensemble, instance=k)) for k in range(3)])
    assert title == ensemble.config["experiment"]["title"]
    assert names == [f"instance {k}: density p = {p:g}" for k, p in enumerate(ensemble.config["experiment"]["density"])]


def test_recordings_are_told_apart_by_their_names(geometry, ensemble):
    title, names = titles([Footage(select(geometry)), Footage(select(ensemble, instance=1))])
    assert title == "2 runs, at the same step each"
    assert names[0] == "geometry"
    assert names[1].startswith("ensemble, instance 1")


def test_repeats_have_the_density_of_their_point(plane: dyn.Recording):
    """Four models at each of two densities."""
    _, names = titles([Footage(select(plane, instance=k)) for k in (3, 4)])
    assert [name.rpartition("= ")[2] for name in names] == ["0.7", "0.03"]


def test_a_run_that_diverged_is_named_so(tmp_path, geometry):
    model = torch.nn.Linear(4, 2, bias=False)
    with dyn.attach(model, None, tmp_path / "spun.h5") as recorder:
        for k in range(8):
            with torch.no_grad():
                model.weight.fill_(torch.nan if k > 4 else 1.0 + k)
            recorder.step()
    with dyn.open(tmp_path / "spun.h5") as recording:
        selection = select(recording)
        assert selection.title == "spun: inputs of weight, diverged at step 5"
        assert selection.heading == "spun; diverged at step 5"
        _, names = titles([Footage(selection), Footage(select(geometry))])
    assert names[0] == "spun, diverged at step 5"
    assert "diverged" not in names[1]
