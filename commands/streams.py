"""What is written to stdout and stderr whatever they are: of any encoding, full, or with nobody who reads."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path

from ..recorders.text import IN_ASCII

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
