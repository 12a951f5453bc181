"""Frames -> a file: mp4 by PyAV's x264, frame by frame; gif by Pillow, which wants all frames (1 byte a pixel)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from ..dynamics.errors import MissingExtraError, SettingError

MOVIE_SUFFIXES = (".mp4", ".gif")

# Takes one frame, (height, width, 4) uint8.
FrameWriter = Callable[[np.ndarray], None]


def check_movie(suffix: str, fps: int, size: tuple[int, int]) -> None:
    """Hold the frame size and rate to what the format can do; raises SettingError, and MissingExtraError for mp4."""
    width, height = size
    if width < 160 or height < 90:
        raise SettingError(f"size {width}x{height} is too small to read; use 160x90 or more")
    if width > 7680 or height > 4320:
        raise SettingError(f"size {width}x{height} is more than players show; use 7680x4320 or less")
    if fps < 1:
        raise SettingError(f"fps={fps} is not 1 or more")
    if suffix == ".gif" and fps > 50:
        raise SettingError(f"fps={fps}: players show a gif at 50 frames a second at most; use 50 or less")
    if suffix == ".mp4":
        if width % 2 or height % 2:
            raise SettingError(
                f"size {width}x{height}: an mp4 needs even numbers; use {width + width % 2}x{height + height % 2}"
            )
        _require_av()


@contextmanager
def open_movie(path: Path, fps: int, size: tuple[int, int]) -> Iterator[FrameWriter]:
    """Open a movie for writing; the context's value takes its frames one by one."""
    opener = _open_mp4 if path.suffix.lower() == ".mp4" else _open_gif
    with opener(path, fps, size) as write:
        yield write


@contextmanager
def _open_mp4(path: Path, fps: int, size: tuple[int, int]) -> Iterator[FrameWriter]:
    av = _require_av()
    # "faststart" puts the index first, so that a browser plays the file while it loads.
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=Fraction(fps), options={"preset": "veryfast", "crf": "18"})
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"

        def write(frame: np.ndarray) -> None:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgba")))

        yield write
        container.mux(stream.encode())


@contextmanager
def _open_gif(path: Path, fps: int, _size: tuple[int, int]) -> Iterator[FrameWriter]:
    frames: list[Image.Image] = []

    def write(frame: np.ndarray) -> None:
        colours = Image.fromarray(frame[..., :3])
        frames.append(colours.quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE))

    yield write
    # A gif counts in hundredths of a second, so frames of a 30th have to last 3, 3 and 4 of them.
    ends = [round(100 * (k + 1) / fps) for k in range(len(frames))]
    durations = [10 * (end - start) for start, end in zip([0, *ends], ends, strict=False)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=durations, loop=0)


def _require_av():
    try:
        import av
    except ImportError as error:
        raise MissingExtraError.for_feature("mp4", "video") from error
    return av
