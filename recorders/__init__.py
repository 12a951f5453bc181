"""Hooks, ring, writer, file; and reading it back."""

from typing import TYPE_CHECKING

from ..faces import face

if TYPE_CHECKING:
    from . import attribution, compact, experiment, export, frameworks, landscape, merge, story, sweeps, trigger

__all__ = [
    "attribution",
    "compact",
    "experiment",
    "export",
    "frameworks",
    "landscape",
    "merge",
    "story",
    "sweeps",
    "trigger",
]

__getattr__, __dir__ = face(
    __name__,
    {},
    [
        "attribution",
        "compact",
        "experiment",
        "export",
        "frameworks",
        "landscape",
        "merge",
        "story",
        "sweeps",
        "trigger",
    ],
)
