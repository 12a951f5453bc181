"""Movies: exactly the frames that were given, in their colours, or nothing at all."""

import imageio.v3 as iio
import numpy as np
import pytest

from dyn.dynamics.errors import MissingExtraError, OutputExistsError, SettingError
from dyn.viz.animation.movie import check_movie, open_movie

SIZE = (320, 180)


def frame(k: int) -> np.ndarray:
    """Return a white picture with a blue square that goes to the right."""
    pixels = np.full((SIZE[1], SIZE[0], 4), 255, dtype=np.uint8)
    pixels[60:120, 20 * k : 20 * k + 60, :3] = (0, 114, 178)
    return pixels


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["mp4", "webm"])
def test_a_video_has_the_frames_that_were_given(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    with open_movie(path, 12, SIZE) as write:
        for k in range(10):
            write(frame(k))
    read = iio.imread(path, plugin="pyav")
    assert read.shape == (10, 180, 320, 3)
    assert iio.immeta(path, plugin="pyav")["fps"] == 12
    for k in range(10):
        # Coded with loss, and with half of the colour's resolution: away from the edges, a few levels.
        square = read[k, 70:110, 20 * k + 10 : 20 * k + 50].astype(int)
        assert np.abs(square - (0, 114, 178)).mean() < 6
        assert read[k, :40].min() > 245
    assert [left.name for left in tmp_path.iterdir()] == [path.name]


def test_a_picture_may_be_drawn_over_as_soon_as_it_was_given(tmp_path):
    pixels = np.empty((SIZE[1], SIZE[0], 4), dtype=np.uint8)
    with open_movie(tmp_path / "%d.png", 12, SIZE) as write:
        for k in range(8):
            pixels[:] = 20 * k
            write(pixels)
    assert [int(iio.imread(tmp_path / f"{k + 1}.png").mean()) for k in range(8)] == [20 * k for k in range(8)]


@pytest.mark.parametrize("name", ["a.mp4", "a.webm", "a.gif", "%d.png"])
def test_a_movie_that_fails_leaves_nothing(tmp_path, name):
    with pytest.raises(ZeroDivisionError), open_movie(tmp_path / name, 12, SIZE) as write:
        write(frame(0))
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_what_the_encoder_raises_is_raised(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError("no space left")

    monkeypatch.setattr("dyn.viz.animation.gif.getdata", fail)
    with pytest.raises(OSError, match="no space left"), open_movie(tmp_path / "a.gif", 12, SIZE) as write:
        for k in range(5):
            write(frame(k))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "fps", "size", "words"),
    [
        ("a.mp4", 30, (321, 180), "322x180"),
        ("a.webm", 30, (320, 181), "webm.*320x182"),
        ("a.gif", 60, SIZE, "fps=60"),
        ("a.gif", 0, SIZE, "fps=0"),
        ("a.gif", 30, (10, 10), "10x10"),
        ("a.gif", 30, (10_000, 100), "10000x100"),
    ],
)
def test_what_cannot_be_had_is_named(tmp_path, name, fps, size, words):
    with pytest.raises(SettingError, match=words):
        check_movie(tmp_path / name, fps, size, overwrite=False)


def test_stills_that_are_there_are_kept_unless_asked(tmp_path):
    (tmp_path / "7.png").touch()
    with pytest.raises(OutputExistsError, match=r"7\.png"):
        check_movie(tmp_path / "%d.png", 30, SIZE, overwrite=False)
    check_movie(tmp_path / "%d.png", 30, SIZE, overwrite=True)


@pytest.mark.parametrize("suffix", ["mp4", "webm"])
def test_a_missing_encoder_names_its_extra(tmp_path, monkeypatch, suffix):
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(MissingExtraError, match=rf"{suffix} .*learning-dynamics\[video\]"):
        check_movie(tmp_path / f"a.{suffix}", 30, SIZE, overwrite=False)
