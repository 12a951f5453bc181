"""The result of a sweep: its address in 0.1.0."""

from .sweep import Sweep

__all__ = ["Sweep"]
