"""The toolkit's errors: one small tree, mapped to exit codes in one place, cli.py.

DynError
├── SettingError         a setting, name or option that cannot be used     exit 2
├── RecordingError       a file that cannot be read as a recording         exit 1
├── OutputExistsError    a file that would have to be overwritten          exit 1
└── MissingExtraError    an optional package that is not installed         exit 1

Every message names the argument, the value received and the way out.
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

# How alike two names are, from 0 to 1, of which one may be meant by the other; so many letters may begin one.
_NEAR, _FEWEST_LETTERS = 0.72, 3
_MOST_KNOWN = 20


class DynError(Exception):
    """The root of every error that the toolkit raises on purpose."""


class SettingError(DynError, ValueError):
    """A setting, name or option has a value that cannot be used."""


class RecordingError(DynError, OSError):
    """A file cannot be read as a recording, or holds no such channel."""


class OutputExistsError(DynError, FileExistsError):
    """An output exists already and nobody asked to replace it."""


class MissingExtraError(DynError, ImportError):
    """A feature needs an optional package that is not installed."""

    @classmethod
    def for_feature(cls, feature: str, extra: str) -> "MissingExtraError":
        """Say which extra brings *feature*."""
        return cls(f"{feature} needs the extra [{extra}]: pip install 'learning-dynamics[{extra}]'")


def unknown_name(kind: str, name: str, known: Iterable[str]) -> SettingError:
    """Build the error for a *name* that is none of the *known* ones, with the nearest of them."""
    known = list(known)
    near = _nearest(name, known)
    shown = ", ".join(known[:_MOST_KNOWN]) + (f" and {len(known) - _MOST_KNOWN} more" if known[_MOST_KNOWN:] else "")
    way_out = f"did you mean {' or '.join(near)}?" if near else f"known: {shown}"
    return SettingError(f"unknown {kind} {name!r}; {way_out}")


def _nearest(name: str, known: Sequence[str]) -> list[str]:
    """Return up to three of the *known* names that somebody may have meant: a slip of the fingers, or the beginning."""
    by_letters = {each.lower(): each for each in known}
    near = get_close_matches(name.lower(), by_letters, n=3, cutoff=_NEAR)
    begun = [each for each in by_letters if len(name) >= _FEWEST_LETTERS and each.startswith(name.lower())]
    return [by_letters[each] for each in dict.fromkeys([*near, *begun])][:3]
