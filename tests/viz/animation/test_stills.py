"""Stills: numbered frames, all or none of them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dyn.dynamics.errors import OutputExistsError, SettingError
from dyn.viz.animation.stills import check_pattern, check_stills, open_stills


def write(path: Path, count: int) -> None:
    with open_stills(path) as take:
        for k in range(count):
            take(np.full((9, 16, 4), 10 * k, dtype=np.uint8))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_frames_are_numbered_from_one(tmp_path):
    write(tmp_path / "f-%03d.png", 3)
    assert names(tmp_path) == ["f-001.png", "f-002.png", "f-003.png"]
    with Image.open(tmp_path / "f-003.png") as image:
        assert (image.size, image.mode, image.getpixel((0, 0))) == ((16, 9), "RGB", (20, 20, 20))


def test_a_shorter_movie_leaves_nothing_of_a_longer_one(tmp_path):
    (tmp_path / "f-precious.png").touch()
    write(tmp_path / "f-%d.png", 12)
    write(tmp_path / "f-%d.png", 2)
    assert names(tmp_path) == ["f-1.png", "f-2.png", "f-precious.png"]


def test_frames_that_are_there_are_noticed(tmp_path):
    check_stills(tmp_path / "%04d.png")
    write(tmp_path / "%04d.png", 1)
    with pytest.raises(OutputExistsError, match=r"0001\.png"):
        check_stills(tmp_path / "%04d.png")


def test_a_movie_that_fails_leaves_no_frames(tmp_path):
    with pytest.raises(ZeroDivisionError), open_stills(tmp_path / "%d.png") as take:
        take(np.zeros((9, 16, 4), dtype=np.uint8))
        raise ZeroDivisionError
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", ["%d.png", "f%04d.png", "f-%3d.png"])
def test_a_place_for_the_number_will_do(name):
    check_pattern(Path(name))


@pytest.mark.parametrize("name", ["f.png", "%d-%d.png", "%s.png", "100%-%d.png"])
def test_a_name_without_one_place_for_the_number_is_refused(name):
    with pytest.raises(SettingError, match=r"'\.png'.*%04d\.png"):
        check_pattern(Path(name))
