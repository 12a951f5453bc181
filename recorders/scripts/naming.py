"""What a script calls a tensor that no module owns: a variable, an attribute, or a key."""

import gc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from torch import Tensor, nn

_PROJECT = __name__.partition(".")[0]


def names_of(tensors: Sequence[Tensor], variables: Mapping[str, Any]) -> dict[int, str]:
    """Return what the script calls its tensors, by their identity; those without a name are not in it.

    That is the first of: a variable among *variables*; the attribute, or the key of a dictionary, that holds it; its
    place in a list that has such a name.
    """
    wanted = {id(tensor) for tensor in tensors}
    names: dict[int, str] = {}
    for found in (variables.items(), _held(tensors)):
        for name, value in found:
            if id(value) in wanted and (path := _as_path(name)):
                names.setdefault(id(value), path)
    return names


def _held(tensors: Sequence[Tensor]) -> Iterator[tuple[str, Any]]:
    """Yield the tensors that something holds by a name, and then those in lists that something does."""
    holders = _holders(tensors)
    for holder in holders:
        yield from _named_by(holder)
    lists = {id(holder): holder for holder in holders if issubclass(type(holder), list | tuple)}
    for holder in _holders(list(lists.values())):
        for name, value in _named_by(holder):
            if id(value) in lists and not _is_group(name, holder):
                yield from ((f"{name}.{k}", each) for k, each in enumerate(value))


def _holders(things: Iterable[Any]) -> list[Any]:
    """Return what refers to one of the things, but for our own."""
    return [each for each in gc.get_referrers(*things) if type(each).__module__.partition(".")[0] != _PROJECT]


def _named_by(holder: Any) -> Iterator[tuple[str, Any]]:
    """Yield what something holds by key or attribute, and what stands behind its name in a pair."""
    # type() and not isinstance(), which would wake the proxies that other packages leave lying about.
    kind = type(holder)
    if issubclass(kind, dict):
        yield from ((key, value) for key, value in dict.items(holder) if isinstance(key, str))
    elif issubclass(kind, tuple) and len(holder) == 2 and isinstance(holder[0], str):
        yield holder
    elif not issubclass(kind, list | tuple | Tensor | nn.Module):
        yield from (_attributes(holder) or {}).items()
        for member in [member for each in kind.__mro__ for member in _slots(each)]:
            with suppress(AttributeError):
                yield member.__name__, member.__get__(holder)


def _attributes(thing: Any) -> dict[str, Any] | None:
    with suppress(AttributeError):
        return object.__getattribute__(thing, "__dict__")
    return None


def _slots(kind: type) -> list[Any]:
    names = vars(kind).get("__slots__", ())
    return [vars(kind)[name] for name in ([names] if isinstance(names, str) else names) if name in vars(kind)]


def _is_group(name: str, holder: Any) -> bool:
    """Whether a dictionary is an optimizer's group of parameters, which are "params" to everyone."""
    is_like_one = name == "params" and type(holder) is dict
    return is_like_one and not any(_attributes(each) is holder for each in gc.get_referrers(holder))


def _as_path(name: str) -> str:
    """Return *name* as one that a module could give, words between dots; nothing for one that is not for others."""
    words = [word for word in name.replace("/", ".").replace("\0", "").split(".") if word]
    if not words or name[0] == "_":
        return ""
    return ".".join(f"{word}_" if hasattr(nn.Module, word) else word for word in words)
