"""A live view of a recording in the terminal."""

import math
import os
import time
from collections.abc import Iterator
from typing import TextIO

from ...dynamics.errors import SettingError
from ..reading.recording import Recording, open_recording
from ..text import encodable
from .glance import Glance, look
from .keys import Wait, stopped_by_q
from .screen import draw, draw_line

_HIDE_CURSOR, _SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
_CLEAR_SCREEN, _CLEAR_LINE, _CLEAR_BELOW = "\x1b[2J\x1b[H", "\x1b[K", "\x1b[J"


def watch(
    path: str | os.PathLike[str],
    *,
    interval: float = 1.0,
    stream: TextIO,
    keyboard: TextIO | None = None,
    until_done: bool = True,
) -> None:
    """Show the recording at *path* on *stream*, every *interval* seconds until it is finished.

    On a terminal the view is drawn in place; elsewhere each look is one line. until_done=False looks once.
    q on the *keyboard*, where that is a terminal, ends it.
    Raises SettingError for an interval that is no time, RecordingError for what is no recording.
    """
    if not (math.isfinite(interval) and interval > 0):
        raise SettingError(f"interval={interval} is no time to wait; give seconds, more than 0")
    with open_recording(path) as recording, stopped_by_q(keyboard if until_done else None) as wait:
        looks = _looks(recording, interval if until_done else None, wait)
        if _is_terminal(stream):
            _draw_in_place(looks, stream)
        else:
            for glance, quiet in looks:
                _write(stream, f"{draw_line(glance, quiet=quiet)}\n")


def render(recording: Recording, *, width: int, previous: Glance | None = None) -> list[str]:
    """Return the view of *recording* as lines of at most *width* cells; an earlier look at it saves reading.

    Whatever the file says is made printable: no control characters get through.
    """
    return draw(look(recording, previous), width=width)


def _looks(recording: Recording, interval: float | None, wait: Wait) -> Iterator[tuple[Glance, float]]:
    """Yield looks at *recording* until it is finished, and for how long it had got no new row at each."""
    glance = look(recording)
    news = time.monotonic()
    yield glance, 0.0
    while interval is not None and glance.status == "recording" and not wait(interval):
        before, glance = glance, look(recording.refresh(), glance)
        if glance.rows != before.rows:
            news = time.monotonic()
        yield glance, time.monotonic() - news


def _draw_in_place(looks: Iterator[tuple[Glance, float]], stream: TextIO) -> None:
    drawn, size = 0, _size(stream)
    _write(stream, _HIDE_CURSOR)
    try:
        for glance, quiet in looks:
            if _size(stream) != size:
                # Where the lines of the last frame are now, only the terminal knows.
                drawn, size = 0, _size(stream)
                _write(stream, _CLEAR_SCREEN)
            # The last column stays free: what a terminal does after writing there differs.
            width = size.columns - 1
            lines = _cropped(draw(glance, width=width, quiet=quiet), size.lines - 1)
            # In ASCII an ellipsis takes three.
            lines = [encodable(line, stream)[:width] for line in lines]
            back = f"\x1b[{drawn}F" if drawn else ""
            frame = "".join(f"{line}{_CLEAR_LINE}\n" for line in lines)
            _write(stream, f"{back}{frame}{_CLEAR_BELOW}")
            drawn = len(lines)
    finally:
        _write(stream, _SHOW_CURSOR)


def _cropped(lines: list[str], height: int) -> list[str]:
    """Keep to the lines that a terminal shows, because none can be drawn again that has scrolled away."""
    height = max(height, 1)
    return lines if len(lines) <= height else [*lines[: height - 1], f"… and {len(lines) - height + 1} lines more"]


def _is_terminal(stream: TextIO) -> bool:
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def _size(stream: TextIO) -> os.terminal_size:
    try:
        columns, lines = os.get_terminal_size(stream.fileno())
    except OSError:
        columns, lines = 0, 0
    # Some terminals do not know their size.
    return os.terminal_size((columns or 80, lines or 24))


def _write(stream: TextIO, text: str) -> None:
    stream.write(encodable(text, stream))
    stream.flush()
