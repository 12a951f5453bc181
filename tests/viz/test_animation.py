"""The animation: the right frames of the right size, each with its step, polyhedron and cursor."""

import imageio.v3 as iio
import numpy as np
import pytest
import torch
from PIL import Image

import dyn
from dyn.dynamics.errors import MissingExtraError, OutputExistsError, SettingError
from dyn.recorders.selection import select
from dyn.viz import animate
from dyn.viz.animation import Scene


@pytest.fixture(scope="module")
def scene(geometry):
    return Scene(select(geometry), (640, 360))


def test_mp4(geometry, tmp_path):
    path = animate(geometry, tmp_path / "a.mp4", seconds=1, fps=12, size=(320, 180))
    frames = iio.imread(path, plugin="pyav")
    assert frames.shape == (12, 180, 320, 3)
    assert iio.immeta(path, plugin="pyav")["fps"] == 12
    assert np.abs(frames[0].astype(int) - frames[-1]).mean() > 0.5
    assert [left.name for left in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize("fps", [7, 30])
def test_gif_lasts_as_long_as_asked(geometry, tmp_path, fps):
    path = animate(geometry, tmp_path / "a.gif", seconds=1, fps=fps, size=(320, 180))
    with Image.open(path) as gif:
        assert gif.size == (320, 180)
        milliseconds = 0
        for k in range(gif.n_frames):
            gif.seek(k)
            milliseconds += gif.info["duration"]
    assert milliseconds == 1000


def test_a_frame_shows_its_row(scene):
    first, last = scene.draw(0, 0.0).copy(), scene.draw(3000, 0.0).copy()
    assert first.shape == (360, 640, 4)
    again = scene.draw(0, 0.0)
    np.testing.assert_array_equal(first, again)
    assert (first != last).any()
    assert scene._clock.get_text() == "step 0"
    scene.draw(1500, 0.0)
    assert scene._clock.get_text() == "step 1 500"
    assert [list(cursor.get_xdata()) for cursor in scene._cursors] == [[1500, 1500], [1500, 1500]]


def test_a_frame_is_what_a_full_redraw_gives(scene):
    frame = scene.draw(2500, 0.3).copy()
    for artist in scene._moving:
        artist.set_animated(False)
    scene._canvas.draw()
    redrawn = np.asarray(scene._canvas.buffer_rgba()).copy()
    for artist in scene._moving:
        artist.set_animated(True)
    # Only the order of drawing may differ, so no more than a few pixels where a cursor crosses something.
    assert (np.abs(frame.astype(int) - redrawn).max(axis=-1) > 8).mean() < 0.005


def test_time_runs_slowly_where_features_move(scene, geometry):
    rows = np.array(scene.rows_of_frames(100))
    assert rows[0] == 0
    assert rows[-1] == len(geometry) - 1
    assert (np.diff(rows) >= 0).all()
    # The merged triples rest between steps 250 and 550; the triangles open between 800 and 1200.
    resting = ((rows > 250) & (rows < 550)).sum() / 300
    opening = ((rows > 800) & (rows < 1200)).sum() / 400
    assert opening > 1.5 * resting


def test_a_single_row_is_a_still_picture(tmp_path):
    model = torch.nn.Linear(4, 3)
    dyn.attach(model, torch.optim.SGD(model.parameters(), lr=0.1), tmp_path / "run.h5").close()
    with dyn.open(tmp_path / "run.h5") as recording:
        assert animate(recording, tmp_path / "a.gif", seconds=0.5, fps=10, size=(320, 180)).exists()


def test_more_dimensions_than_three_are_projected(ensemble, tmp_path):
    scene = Scene(select(ensemble, instance=1), (320, 180))
    assert scene._points.shape == (201, 5, 3)
    assert animate(ensemble, tmp_path / "a.gif", instance=1, seconds=0.5, fps=10, size=(320, 180)).exists()


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("a.avi", {}, "'.avi'"),
        ("a.mp4", {"size": (321, 180)}, "322x180"),
        ("a.gif", {"fps": 60}, "fps=60"),
        ("a.gif", {"seconds": 0.0}, "seconds=0"),
        ("a.gif", {"seconds": float("nan")}, "seconds=nan"),
        ("a.gif", {"size": (10, 10)}, "10x10"),
    ],
)
def test_what_cannot_be_had_is_named(geometry, tmp_path, name, options, words):
    with pytest.raises(SettingError, match=words):
        animate(geometry, tmp_path / name, **options)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_movie_is_kept(geometry, tmp_path):
    (tmp_path / "a.gif").write_text("precious")
    with pytest.raises(OutputExistsError, match=r"a\.gif exists"):
        animate(geometry, tmp_path / "a.gif")
    assert (tmp_path / "a.gif").read_text() == "precious"


def test_a_missing_encoder_names_its_extra(geometry, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(MissingExtraError, match=r"learning-dynamics\[video\]"):
        animate(geometry, tmp_path / "a.mp4")


def test_a_movie_that_fails_leaves_nothing(geometry, tmp_path):
    def fail(rows):
        yield rows[0]
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        animate(geometry, tmp_path / "a.gif", seconds=1, size=(320, 180), progress=fail)
    assert list(tmp_path.iterdir()) == []
