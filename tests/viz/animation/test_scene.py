"""The scene: a frame shows its step, whatever was drawn before it."""

import numpy as np
import pytest

from dyn.recorders.reading.selection import select
from dyn.viz.animation.scene import Scene, Take
from dyn.viz.parts.style import unhinted
from dyn.viz.playback.clock import steps_of_frames
from dyn.viz.playback.footage import Footage

SIZE = (640, 360)


@pytest.fixture(scope="module")
def scene(geometry):
    runs = [Footage(select(geometry))]
    return Scene(runs, Take(steps_of_frames(runs, 61, "step"), SIZE, fps=10))


def test_a_frame_shows_its_step(scene):
    first, last = scene.draw(0).copy(), scene.draw(60).copy()
    assert first.shape == (360, 640, 4)
    assert (first != last).any()
    np.testing.assert_array_equal(scene.draw(0), first)
    assert scene._counter.text == "0"
    scene.draw(30)
    assert scene._counter.text == "1 500"
    (cell,) = scene._cells
    assert [list(cursor.get_xdata()) for cursor in cell._cursors] == [[1500, 1500], [1500, 1500]]


def test_the_dots_lie_on_their_curves(scene, geometry):
    scene.draw(30)
    dots = np.array(scene._cells[0]._dots.get_offsets())
    D = geometry.features["W"]["dimensionality"][1500]
    np.testing.assert_allclose(dots[:, 0], 1500)
    # D was recorded in single precision.
    np.testing.assert_allclose(dots[:, 1], D, atol=1e-5)


def test_the_order_of_frames_makes_no_difference(scene):
    frames = [5, 40, 41, 7]
    forwards = {k: scene.draw(k).copy() for k in frames}
    for k in reversed(frames):
        np.testing.assert_array_equal(scene.draw(k), forwards[k])


def test_a_frame_is_what_a_full_redraw_gives(scene):
    frame = scene.draw(50).copy()
    artists = [*scene._moving, *scene._cells[0].named]
    for artist in artists:
        artist.set_animated(False)
    with unhinted():
        scene._canvas.draw()
    redrawn = np.asarray(scene._canvas.buffer_rgba()).copy()
    for artist in artists:
        artist.set_animated(True)
    # Only the order of drawing may differ: a few pixels where a cursor, a dot or a band crosses something.
    assert (np.abs(frame.astype(int) - redrawn).max(axis=-1) > 8).mean() < 0.02


def test_the_regime_is_named_in_its_frames(scene):
    story = scene._cells[0]._run.story
    for frame in (0, 30, 60):
        scene.draw(frame)
        texts = [artist.get_text() for artist in scene._cells[0].named if hasattr(artist, "get_text")]
        (regime,) = [r for r in story.regimes if r.start <= 50 * frame <= r.end]
        assert texts[0].startswith(regime.kind.capitalize())


@pytest.mark.parametrize("size", [(160, 90), (642, 358), (1001, 777), (500, 900)])
def test_a_frame_has_the_size_that_was_asked_for(geometry, size):
    scene = Scene([Footage(select(geometry))], Take(np.array([0.0, 3000.0]), size))
    assert scene.draw(1).shape == (size[1], size[0], 4)


def test_a_camera_that_stays_shows_the_same_from_the_same_side(geometry):
    take = Take(np.array([3000.0, 3000.0]), SIZE, turn=0.0)
    scene = Scene([Footage(select(geometry))], take)
    np.testing.assert_array_equal(scene.draw(0).copy(), scene.draw(1))
    turning = Scene([Footage(select(geometry))], take._replace(turn=90.0))
    assert (turning.draw(0).copy() != turning.draw(1)).any()


def test_several_runs_share_the_step(ensemble):
    runs = [Footage(select(ensemble, instance=k)) for k in range(3)]
    scene = Scene(runs, Take(np.array([0.0, 100.0, 200.0]), SIZE))
    scene.draw(1)
    assert [cell._cursors[0].get_xdata()[0] for cell in scene._cells] == [100.0] * 3


def test_a_run_that_is_shorter_rests_at_its_end(ensemble, geometry):
    runs = [Footage(select(ensemble)), Footage(select(geometry))]
    scene = Scene(runs, Take(np.array([0.0, 3000.0]), SIZE))
    scene.draw(1)
    assert [cell._cursors[0].get_xdata()[0] for cell in scene._cells] == [200.0, 3000.0]


def test_a_logarithmic_clock_has_a_logarithmic_axis(geometry):
    scene = Scene([Footage(select(geometry))], Take(np.array([0.0, 3000.0]), SIZE, log_steps=True))
    assert scene._cells[0]._panels[0].get_xscale() == "symlog"
