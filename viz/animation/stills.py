"""Frames -> numbered png files, such as frames/0001.png for the pattern frames/%04d.png."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from ...dynamics.errors import OutputExistsError, SettingError

_NUMBER = re.compile(r"%0?\d*d")
# Frames are many and soon read again: a little larger and much faster than the most thorough compression.
_COMPRESSION = 1


def check_pattern(path: Path) -> None:
    """Raise SettingError where the name of png frames holds no place, or several, for their number."""
    if len(_NUMBER.findall(path.name)) != 1 or path.name.count("%") != 1:
        example = path.with_name(f"{path.stem.replace('%', '')}-%04d.png")
        raise SettingError(f"{path}: each frame is a '.png' of its own; say where its number goes, such as {example}")


def check_stills(path: Path) -> None:
    """Raise OutputExistsError where there are frames of this pattern already."""
    if there := _frames_at(path):
        raise OutputExistsError(
            f"{there[0]} exists already; choose another name or replace all frames (overwrite=True)"
        )


@contextmanager
def open_stills(path: Path) -> Iterator[Callable[[np.ndarray], None]]:
    """Write frames (height, width, 4) uint8 as png files, numbered from 1, instead of those that are there.

    They lie in a folder of their own until the last one is written; of a movie that fails nothing stays.
    """
    with TemporaryDirectory(prefix=f".{path.stem % 0}-", dir=path.parent) as folder:
        stills: list[Path] = []

        def write(pixels: np.ndarray) -> None:
            still = Path(folder, path.name % (len(stills) + 1))
            Image.fromarray(np.ascontiguousarray(pixels[..., :3])).save(still, compress_level=_COMPRESSION)
            stills.append(still)

        yield write
        for old in _frames_at(path):
            old.unlink()
        for still in stills:
            still.replace(path.with_name(still.name))


def _frames_at(path: Path) -> list[Path]:
    """Return the files that are frames of this pattern, in order of their names."""
    before, after = _NUMBER.split(path.name)
    name = re.compile(rf"{re.escape(before)}\d+{re.escape(after)}")
    return sorted(each for each in path.parent.iterdir() if name.fullmatch(each.name))
