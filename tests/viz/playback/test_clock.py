"""The clock: each frame has its step, nothing happens in a blink, and plateaus pass quickly."""

from types import SimpleNamespace

import numpy as np
import pytest

from dyn.dynamics.errors import SettingError
from dyn.recorders.reading.selection import select
from dyn.viz.playback.clock import CLOCKS, steps_of_frames
from dyn.viz.playback.footage import Footage, Look


@pytest.fixture(scope="module")
def footage(geometry):
    return Footage(select(geometry))


def planted(x: np.ndarray, events=(), *, steps: int = 1000) -> SimpleNamespace:
    """Return a run of one feature that goes along x, one place at each of its even looks."""
    step = np.linspace(0, steps, len(x))
    points = np.stack([x, 0 * x, 0 * x], axis=-1)[:, None]
    spans = [SimpleNamespace(start=start, end=end) for start, end in events]
    look = Look(step, points, np.ones(len(x), dtype=bool))
    return SimpleNamespace(step=step, last_step=steps, looks=look, story=SimpleNamespace(regimes=None, jumps=spans))


@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize("frames", [2, 3, 100])
def test_every_clock_goes_from_the_first_step_to_the_last_and_never_back(footage, clock, frames):
    steps = steps_of_frames([footage], frames, clock)
    assert (len(steps), steps[0], steps[-1]) == (frames, 0, 3000)
    assert (np.diff(steps) >= 0).all()


def test_steps_go_evenly():
    np.testing.assert_allclose(steps_of_frames([planted(np.zeros(11))], 5, "step"), [0, 250, 500, 750, 1000])


def test_decades_take_the_same_time():
    run = planted(np.zeros(11), steps=9_999)
    np.testing.assert_allclose(steps_of_frames([run], 5, "log"), [0, 9, 99, 999, 9_999])


def test_time_goes_to_what_moves():
    # All of the motion is in the last tenth of the run.
    x = np.maximum(0, np.linspace(-9, 1, 101))
    steps = steps_of_frames([planted(x)], 1000)
    # Of the time, 0.15 goes by steps and 0.4 by motion, since nothing is named.
    expected = (0.4 + 0.15 * 0.1) / 0.55
    # The clock eases its pace over 4 % of the movie.
    assert (steps > 900).mean() == pytest.approx(expected, abs=0.04)


def test_jitter_is_no_motion():
    x = np.random.default_rng(0).normal(size=401) * 0.002
    x[300:] += np.linspace(0, 1, 101)
    steps = steps_of_frames([planted(x)], 1000)
    # As above: the last quarter holds the motion, and most of the time.
    assert (steps > 750).mean() > 0.6


def test_a_brief_jump_gets_its_time():
    still = planted(np.zeros(101), [(500, 502)])
    steps = steps_of_frames([still], 1000)
    # Events have 0.45 of the time and the steps 0.15, since nothing moves; the clock eases its pace.
    assert ((steps >= 500) & (steps <= 502)).mean() == pytest.approx(0.45 / 0.6, abs=0.04)


def test_the_motion_of_several_runs_counts():
    early, late = np.minimum(1, np.linspace(0, 10, 101)), np.maximum(0, np.linspace(-9, 1, 101))
    steps = steps_of_frames([planted(early), planted(late)], 1000)
    np.testing.assert_allclose(steps + steps[::-1], 1000, atol=1e-6)
    assert (steps < 100).mean() > 0.3


def test_runs_of_different_length_share_a_clock():
    steps = steps_of_frames([planted(np.zeros(5)), planted(np.zeros(5), steps=500)], 10)
    assert (steps[0], steps[-1]) == (0, 1000)


def test_a_run_that_diverges_still_has_a_clock():
    x = np.append(np.linspace(0, 1, 50), [np.nan] * 50)
    steps = steps_of_frames([planted(x)], 100)
    assert np.isfinite(steps).all()
    assert (np.diff(steps) >= 0).all()


def test_regimes_of_geometry_can_be_read(footage):
    """Each has a second at least, of twelve."""
    steps = steps_of_frames([footage], 360)
    regimes = footage.story.regimes
    assert len(regimes) >= 3
    for regime in regimes:
        assert ((steps >= regime.start) & (steps <= regime.end)).sum() >= 0.8 * 30


def test_an_unknown_clock_is_named(footage):
    with pytest.raises(SettingError, match=r"'steps'.*step"):
        steps_of_frames([footage], 10, "steps")
