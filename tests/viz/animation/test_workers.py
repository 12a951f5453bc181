"""Workers: the same frames from any number of processes."""

import numpy as np
import pytest
import torch

import dyn
from dyn.dynamics.errors import SettingError
from dyn.recorders.reading.selection import select
from dyn.viz.animation.scene import Take
from dyn.viz.animation.workers import check_workers, draw_frames
from dyn.viz.playback.footage import Footage

TAKE = Take(np.linspace(0, 3000, 5), (320, 180))


@pytest.fixture
def runs(geometry):
    return [Footage(select(geometry))]


@pytest.mark.slow
def test_two_processes_draw_what_one_draws(runs):
    alone = [pixels.copy() for pixels in draw_frames(runs, TAKE, 1, iter)]
    together = [pixels.copy() for pixels in draw_frames(runs, TAKE, 2, iter)]
    assert len(together) == 5
    np.testing.assert_array_equal(together, alone)


@pytest.mark.slow
def test_what_a_worker_raises_is_raised(runs):
    wrong = TAKE._replace(size=(320, -1))
    with pytest.raises(ValueError, match="size"):
        list(draw_frames(runs, wrong, 2, iter))


@pytest.mark.parametrize("workers", [0, -1, 1000])
def test_numbers_that_cannot_be_had_are_named(runs, workers):
    with pytest.raises(SettingError, match=f"workers={workers}"):
        check_workers(workers, runs)


def test_a_recording_that_grows_is_drawn_by_one(tmp_path):
    model = torch.nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with dyn.attach(model, optimizer, tmp_path / "run.h5"):
        for _ in range(3):
            model.weight.grad = torch.zeros(3, 4)
            optimizer.step()
        with dyn.open(tmp_path / "run.h5") as recording:
            live = [Footage(select(recording))]
            check_workers(1, live)
            with pytest.raises(SettingError, match="still being written"):
                check_workers(2, live)
