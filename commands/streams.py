"""What is written to stdout and stderr whatever they are: of any encoding, full, or with nobody who reads."""

import os
import shutil
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path

from ..recorders.text import IN_ASCII

# No terminal counts as narrower than that.
_NARROWEST = 40
# The way in which Python itself lets a program down, or shows what nobody can read.
_REPLACED = ("strict", "surrogateescape", "backslashreplace")


@contextmanager
def of_any_encoding() -> Iterator[None]:
    """While it lasts, stdout and stderr take every sign, those that their encoding lacks in ASCII."""
    before = [(each, each.errors) for each in (sys.stdout, sys.stderr) if isinstance(each, TextIOWrapper)]
    changed = [(stream, errors) for stream, errors in before if errors in _REPLACED]
    for stream, _ in changed:
        stream.reconfigure(errors=IN_ASCII)
    try:
        yield
    finally:
        for stream, errors in changed:
            # A script, or whoever reads, may have closed it.
            with suppress(OSError, ValueError):
                stream.reconfigure(errors=errors)


def echo(message: object, *, err: bool = False) -> None:
    """Write a line to stdout, or to stderr, in its own encoding; click would write UTF-8 where that is ASCII."""
    stream = sys.stderr if err else sys.stdout
    if stream is not None:
        print(message, file=stream, flush=True)


def echo_lines(text: str) -> None:
    """Write lines to stdout; on a terminal those that are wider than it go on below, indented."""
    if sys.stdout is not None and sys.stdout.isatty():
        text = wrapped(text, shutil.get_terminal_size().columns)
    echo(text)


def wrapped(text: str, width: int) -> str:
    """Return *text* with lines of at most *width* signs; what of a line goes on is indented by four more than it."""
    return "\n".join(_wrapped_line(line, max(width, _NARROWEST)) for line in text.split("\n"))


def _wrapped_line(line: str, width: int) -> str:
    if len(line) <= width:
        return line
    indent = " " * (len(line) - len(line.lstrip()) + 4)
    # A name or a path longer than a line stays whole, so that it can be copied.
    return "\n".join(
        textwrap.wrap(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    )


def settle() -> OSError | None:
    """Write what is still to be written; where that cannot be, drop it, quietly, and return why."""
    why = None
    for stream in (sys.stdout, sys.stderr):
        # A program that was started without one has none.
        if stream is None:
            continue
        try:
            stream.flush()
        except ValueError:
            # It is closed.
            continue
        except OSError as error:
            why = error
            # Python would try again at its end, and complain.
            with suppress(OSError, ValueError), Path(os.devnull).open("wb") as nowhere:
                os.dup2(nowhere.fileno(), stream.fileno())
    return why
