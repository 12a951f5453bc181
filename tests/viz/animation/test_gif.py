"""The gif: it plays for as long as asked, and shows what was drawn."""

import numpy as np
import pytest
from PIL import Image

from dyn.viz.animation.gif import open_gif


def frames(count: int, colour=(200, 30, 30)) -> list[np.ndarray]:
    """Return white frames on which a square moves, the last two of which are the same."""
    drawn = []
    for k in range(count):
        pixels = np.full((60, 80, 4), 255, dtype=np.uint8)
        at = 5 * min(k, count - 2)
        pixels[20:30, at : at + 10, :3] = colour
        drawn.append(pixels)
    return drawn


def write(path, pixels, fps: int) -> None:
    with open_gif(path, fps) as take:
        for each in pixels:
            take(each)


@pytest.mark.parametrize("fps", [1, 7, 12, 30, 50])
def test_it_lasts_as_long_as_asked(tmp_path, fps):
    write(tmp_path / "a.gif", frames(12), fps)
    durations = []
    with Image.open(tmp_path / "a.gif") as gif:
        assert (gif.n_frames, gif.info["loop"]) == (12, 0)
        for k in range(12):
            gif.seek(k)
            durations.append(gif.info["duration"])
    # Each frame begins at the hundredth of a second that is nearest to its time.
    starts = np.cumsum([0, *durations])
    np.testing.assert_allclose(starts, np.arange(13) * 1000 / fps, atol=5.001)


def test_what_is_read_is_what_was_written(tmp_path):
    drawn = frames(8)
    write(tmp_path / "a.gif", drawn, 10)
    with Image.open(tmp_path / "a.gif") as gif:
        for k, pixels in enumerate(drawn):
            gif.seek(k)
            shown = np.asarray(gif.convert("RGB")).astype(int)
            # An octree of 255 colours is a few levels off.
            assert np.abs(shown - pixels[..., :3]).max() <= 8


def test_the_colours_of_what_rests_do_not_flicker(tmp_path):
    drawn = frames(8)
    shades = np.random.default_rng(0).integers(0, 256, (10, 80, 3))
    for pixels in drawn:
        pixels[50:, :, :3] = shades
    write(tmp_path / "a.gif", drawn, 10)
    with Image.open(tmp_path / "a.gif") as gif:
        first = np.asarray(gif.convert("RGB"))[50:].copy()
        for k in range(1, 8):
            gif.seek(k)
            np.testing.assert_array_equal(np.asarray(gif.convert("RGB"))[50:], first)


def test_pixels_that_rest_take_no_room(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 4), dtype=np.uint8)
    write(tmp_path / "one.gif", [noise], 10)
    write(tmp_path / "many.gif", [noise] * 50, 10)
    one, many = ((tmp_path / name).stat().st_size for name in ("one.gif", "many.gif"))
    # A frame of one pixel has a palette and a few bytes besides.
    assert many - one < 49 * 850
