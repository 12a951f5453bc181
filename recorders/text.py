"""Text as a person reads it: sizes in words, and text in a notebook, with nothing in it taken for markup."""

from html import escape
from importlib import import_module
from typing import Any


def readable(size: float) -> str:
    """Return a number of bytes in words."""
    for unit in ("bytes", "kB", "MB", "GB"):
        # What three digits would round to a thousand is one of the next unit.
        if size < 999.5:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:,.1f} TB"


def preformatted(text: str) -> str:
    """Return *text* as HTML that shows it letter by letter."""
    return f"<pre>{escape(text)}</pre>"


def html_of(recording: Any) -> str:
    """Return a recording with its story as HTML; the stories stand above what they are told of, and load when asked."""
    return import_module("..stories.notebook", __name__).recording_html(recording)


class ShownAsText:
    """Shows itself in a notebook as its own text instead of its fields."""

    def _repr_html_(self) -> str:
        return preformatted(str(self))
