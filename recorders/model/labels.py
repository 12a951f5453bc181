"""The user's own names of features, checked and put beside the parameter that has them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...dynamics.errors import SettingError, unknown_name
from ..ring.channels import Channel

Labels = Mapping[str, Sequence[str]]


def labelled(channels: Mapping[str, Channel], labels: Labels | None) -> dict[str, Channel]:
    """Return the channels of parameters with the *labels* of their features, as JSON in an attribute.

    Raises SettingError unless each is a list of one text for each feature of a parameter that has some.
    """
    if labels is None:
        return dict(channels)
    if not isinstance(labels, Mapping):
        raise SettingError(f"labels={labels!r} is no dictionary such as {{'tok.weight': ['a', 'b', …]}}")
    found = dict(channels)
    for name, given in labels.items():
        if name not in channels:
            raise unknown_name("parameter in labels", name, channels)
        channel, texts = channels[name], _texts(name, given)
        if channel.features is None:
            raise SettingError(
                f"labels[{name!r}]: {name} {channel.shape} is recorded without features; leave it out, or name them "
                f"with features={{{name!r}: 'columns'}}"
            )
        n = channel.view.shape(channel.shape)[-1]
        if len(texts) != n:
            raise SettingError(
                f"labels[{name!r}] has {len(texts):,} texts, but {name} {channel.shape} has {n:,} features "
                f"({channel.features}); give one for each, or choose others with features={{{name!r}: …}}"
            )
        attributes = {**channel.attributes, "labels": json.dumps(texts, ensure_ascii=False)}
        found[name] = replace(channel, attributes=attributes)
    return found


def _texts(name: str, given: Any) -> list[str]:
    # A text is the list of its characters, as that of a model of characters.
    texts = [*given] if isinstance(given, Iterable) and not isinstance(given, Mapping) else None
    if texts is None:
        raise SettingError(f"labels[{name!r}]={given!r} is no list of texts, one for each feature")
    for k, text in enumerate(texts):
        if not isinstance(text, str):
            raise SettingError(f"labels[{name!r}][{k}]={text!r} is no text; give str({text!r})")
        if not text.isascii() and text != text.encode(errors="ignore").decode():
            raise SettingError(
                f"labels[{name!r}][{k}]={text!r} has half a character, which nobody can write; replace it"
            )
    return texts
