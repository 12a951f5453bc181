"""Hooks, ring, writer, file; and reading it back."""

from typing import TYPE_CHECKING

from ..faces import face

if TYPE_CHECKING:
    from . import attribution, compact, experiment, export, frameworks, landscape, merge, story, sweeps, trigger
    from .stories.coefficients import llc

__all__ = [
    "attribution",
    "compact",
    "experiment",
    "export",
    "frameworks",
    "landscape",
    "llc",
    "merge",
    "story",
    "sweeps",
    "trigger",
]

__getattr__, __dir__ = face(
    __name__,
    {".stories.coefficients": ["llc"]},
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
