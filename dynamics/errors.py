"""The toolkit's errors: one small tree, mapped to exit codes in one place, cli.py.

DynError
├── SettingError         a setting, name or option that cannot be used     exit 2
├── RecordingError       a file that cannot be read as a recording         exit 1
├── OutputExistsError    a file that would have to be overwritten          exit 1
└── MissingExtraError    an optional package that is not installed         exit 1

Every message names the argument, the value received and the way out.
"""

from collections.abc import Iterable
from difflib import get_close_matches


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
    near = get_close_matches(name, known, n=3, cutoff=0.5)
    way_out = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known)}"
    return SettingError(f"unknown {kind} {name!r}; {way_out}")
