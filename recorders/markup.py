"""Text as a notebook shows it: in lines, with nothing in it taken for markup."""

from html import escape


def preformatted(text: str) -> str:
    """Return *text* as HTML that shows it letter by letter."""
    return f"<pre>{escape(text)}</pre>"


class ShownAsText:
    """Shows itself in a notebook as its own text instead of its fields."""

    def _repr_html_(self) -> str:
        return preformatted(str(self))
