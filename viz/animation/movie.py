"""Frames -> a file, one by one: mp4 and webm by PyAV's encoders, gif and numbered png files by Pillow."""

import itertools
import sys
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from ...dynamics.errors import MissingExtraError, SettingError
from ...recorders.outputs import replaced_when_done
from .gif import MOST_FPS, open_gif
from .stills import check_stills, open_stills

# For each format of video its encoder, and what that is told: fast presets code lines on white well, and there are no
# cuts to look for.
_ENCODERS: dict[str, tuple[str, dict[str, str]]] = {
    ".mp4": ("libx264", {"preset": "superfast", "crf": "21", "b_strategy": "0", "sc_threshold": "0"}),
    ".webm": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "row-mt": "1", "crf": "24", "b": "0"}),
}
# The index comes first, so that a browser plays the file while it loads.
_CONTAINER_OPTIONS = {".mp4": {"movflags": "faststart"}}
# The number of the colours of high definition in every table of ffmpeg's; without it, players guess.
_BT709 = 1
# So many frames may wait for the encoder, and so many seconds the encoder for its turn.
_AHEAD, _TURN = 2, 0.0005
MOVIE_SUFFIXES = (*_ENCODERS, ".gif", ".png")

# Takes one frame, (height, width, 4) uint8; it is free to be drawn over afterwards.
FrameWriter = Callable[[np.ndarray], None]


def check_movie(path: Path, fps: int, size: tuple[int, int], *, overwrite: bool) -> None:
    """Hold the frame size and rate, and the names of png frames, to what the format can do.

    Raises SettingError, MissingExtraError for mp4 and webm without the extra [video], and OutputExistsError for png
    frames that are there already.
    """
    (width, height), suffix = size, path.suffix.lower()
    if width < 160 or height < 90:
        raise SettingError(f"size {width}x{height} is too small to read; use 160x90 or more")
    if width > 7680 or height > 4320:
        raise SettingError(f"size {width}x{height} is more than players show; use 7680x4320 or less")
    if fps < 1:
        raise SettingError(f"fps={fps} is not 1 or more")
    if suffix == ".gif" and fps > MOST_FPS:
        raise SettingError(
            f"fps={fps}: players show a gif at {MOST_FPS} frames a second at most; use {MOST_FPS} or less"
        )
    if suffix in _ENCODERS:
        if width % 2 or height % 2:
            even = f"{width + width % 2}x{height + height % 2}"
            raise SettingError(f"size {width}x{height}: {suffix[1:]} needs even numbers; use {even}")
        _require_av(suffix)
    if suffix == ".png" and not overwrite:
        check_stills(path)


@contextmanager
def open_movie(path: Path, fps: int, size: tuple[int, int]) -> Iterator[FrameWriter]:
    """Open a movie for writing; the context's value takes its frames one by one, and keeps few of them.

    They are encoded while the next ones are drawn. What is at *path* is replaced at the end; nothing is left of a movie
    that fails.
    """
    suffix = path.suffix.lower()
    with ExitStack() as stack:
        if suffix == ".png":
            encode = stack.enter_context(open_stills(path))
        else:
            draft = stack.enter_context(replaced_when_done(path))
            encode = stack.enter_context(open_gif(draft, fps) if suffix == ".gif" else _open_video(draft, fps, size))
        encoder = stack.enter_context(ThreadPoolExecutor(1))
        stack.enter_context(_quick_turns())
        under_way: deque[Future[None]] = deque()

        def write(pixels: np.ndarray) -> None:
            under_way.append(encoder.submit(encode, pixels.copy()))
            if len(under_way) > _AHEAD:
                under_way.popleft().result()

        yield write
        for each in under_way:
            each.result()


@contextmanager
def _quick_turns() -> Iterator[None]:
    """Let the encoder's thread have its turn soon; by default it would wait for half a frame each time it needs one."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(_TURN)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


@contextmanager
def _open_video(path: Path, fps: int, size: tuple[int, int]) -> Iterator[FrameWriter]:
    suffix = path.suffix.lower()
    av = _require_av(suffix)
    name, options = _ENCODERS[suffix]
    with av.open(str(path), "w", options=_CONTAINER_OPTIONS.get(suffix, {})) as container:
        stream = container.add_stream(name, rate=Fraction(fps), options=options)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        reformatter, times = av.video.reformatter.VideoReformatter(), itertools.count()

        def write(pixels: np.ndarray) -> None:
            # The pixels are read where they lie, and copied by the conversion.
            drawn = av.VideoFrame.from_numpy_buffer(pixels, format="rgba")
            frame = reformatter.reformat(drawn, format="yuv420p", dst_colorspace=_BT709)
            frame.pts, frame.time_base = next(times), Fraction(1, fps)
            container.mux(stream.encode(frame))

        yield write
        container.mux(stream.encode())


def _require_av(suffix: str) -> Any:
    try:
        import av
    except ImportError as error:
        raise MissingExtraError.for_feature(suffix[1:], "video") from error
    return av
