"""Text as a person reads it: sizes in words, and text in a notebook, with nothing in it taken for markup."""

import codecs
import unicodedata
from html import escape
from importlib import import_module
from typing import Any, TextIO

# What stands for a sign of ours that an encoding lacks. In a view that is drawn in cells one sign stands for one.
_ASCII = str.maketrans(
    dict(zip("▁▂▃▄▅▆▇█", "_.-:=+*#", strict=True))
    | {"×": "x", "·": ".", "−": "-", "–": "-", "—": "-", "→": ">", "…": "...", "≥": ">=", "≤": "<=", "±": "+-"}
    | {"θ": "theta", "λ": "lambda", "Δ": "Delta", "√": "sqrt", "∞": "inf", "°": " degrees", "µ": "u", "\ufffd": "?"}
)
IN_ASCII = "dyn.ascii"


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


def in_ascii(error: UnicodeError) -> tuple[str | bytes, int]:
    """Give what is written in place of what an encoding lacks; a byte of a file's name that is no text is that byte."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    sign = error.object[error.start]
    if "\udc80" <= sign <= "\udcff":
        return bytes([ord(sign) - 0xDC00]), error.start + 1
    plain = sign.translate(_ASCII)
    if not plain.isascii():
        plain = unicodedata.normalize("NFKD", sign).encode("ascii", "ignore").decode()
    return plain or "?", error.start + 1


codecs.register_error(IN_ASCII, in_ascii)


def encodable(text: str, stream: TextIO) -> str:
    """Return *text* with signs in ASCII in place of those that a stream's encoding lacks."""
    encoding = stream.encoding or "utf-8"
    return text.encode(encoding, IN_ASCII).decode(encoding, "replace")
