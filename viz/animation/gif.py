"""Frames -> a gif that loops, written frame by frame; Pillow's own writer would hold all of them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.GifImagePlugin import getdata, getheader

# Players take shorter times than two hundredths of a second for a tenth.
MOST_FPS = 50
# This entry of each frame's palette says that a pixel stays as it was.
_KEPT = 255
_TRAILER = b";"


@contextmanager
def open_gif(path: Path, fps: int) -> Iterator[Callable[[np.ndarray], None]]:
    """Open a gif for writing; the context's value takes frames (height, width, 4) uint8 and keeps only the last one.

    A frame is stored as the rectangle that has changed, in a palette of its own; what did not change within it is left
    as it was, so that colours do not flicker.
    """
    before: np.ndarray | None = None
    count = 0
    with path.open("wb") as file:

        def write(pixels: np.ndarray) -> None:
            nonlocal before, count
            colours = np.ascontiguousarray(pixels).view(np.uint32)[..., 0]
            if before is None:
                file.write(b"".join(getheader(Image.new("P", colours.shape[::-1]), info={"loop": 0})[0]))
                box, changed = (0, 0, *colours.shape[::-1]), np.ones(colours.shape, dtype=bool)
            else:
                box, changed = _changes(before, colours)
            before = colours.copy()
            count += 1
            file.write(b"".join(_frame(pixels, box, changed, _duration(count, fps))))

        yield write
        file.write(_TRAILER)


def _changes(before: np.ndarray, after: np.ndarray) -> tuple[tuple[int, int, int, int], np.ndarray]:
    """Return the rectangle left, top, right, bottom in which two frames differ, and where in it; a pixel if nowhere."""
    changed = before != after
    rows, columns = changed.any(axis=1).nonzero()[0], changed.any(axis=0).nonzero()[0]
    if not len(rows):
        return (0, 0, 1, 1), changed[:1, :1]
    left, top, right, bottom = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
    return (left, top, right, bottom), changed[top:bottom, left:right]


def _frame(pixels: np.ndarray, box: tuple[int, int, int, int], changed: np.ndarray, duration: int) -> list[bytes]:
    """Return the bytes of one frame, which lasts *duration* milliseconds."""
    left, top, right, bottom = box
    part = Image.fromarray(np.ascontiguousarray(pixels[top:bottom, left:right, :3]))
    image = part.quantize(_KEPT, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    image.paste(_KEPT, mask=Image.fromarray(~changed))
    # Disposal 1 leaves a frame in its place when the next one comes.
    return getdata(image, (left, top), duration=duration, transparency=_KEPT, disposal=1, include_color_table=True)


def _duration(count: int, fps: int) -> int:
    """Return the milliseconds of the frame number *count*, from 1: a gif counts in hundredths of a second.

    So frames of a 30th last 3, 3 and 4 of them.
    """
    return 10 * (round(100 * count / fps) - round(100 * (count - 1) / fps))
