"""Jumps of features between energy levels."""

from typing import TYPE_CHECKING

from ...faces import face

if TYPE_CHECKING:
    from .detection import Jump, detect_jumps
    from .words import describe_jump

__all__ = ["Jump", "describe_jump", "detect_jumps"]

__getattr__, __dir__ = face(__name__, {".detection": ["Jump", "detect_jumps"], ".words": ["describe_jump"]})
