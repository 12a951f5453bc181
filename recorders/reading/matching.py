"""Names that a user gives: as they are, or as a glob over the names that there are."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from ...dynamics.errors import SettingError, unknown_name

# So many names of those that a glob matches are told.
_MOST_TOLD = 6


def is_glob(pattern: str, names: Iterable[str]) -> bool:
    """Whether *pattern* may stand for several of the *names*: it is none of them, and has a glob's signs."""
    return pattern not in set(names) and any(sign in pattern for sign in "*?[")


def matching(kind: str, pattern: str, names: Iterable[str]) -> list[str]:
    """Return the *names* that a name or glob means, in their order.

    Raises SettingError where there is none, with those that are near; *kind* says what they are names of.
    """
    names = list(names)
    found = [pattern] if pattern in names else [name for name in names if fnmatchcase(name, pattern)]
    if not found:
        raise unknown_name(kind, pattern, names)
    return found


def only_match(kind: str, pattern: str, names: Iterable[str]) -> str:
    """Return the one of the *names* that a name or glob means; raises SettingError where it means none or several."""
    found = matching(kind, pattern, names)
    if len(found) > 1:
        more = f" and {len(found) - _MOST_TOLD} more" if found[_MOST_TOLD:] else ""
        raise SettingError(
            f"{kind} {pattern!r} matches {len(found)}, {', '.join(found[:_MOST_TOLD])}{more}, where one can be shown; "
            "name one of them"
        )
    return found[0]
