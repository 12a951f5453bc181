"""Jumps between energy levels: found in any signal of features over training, and matched with the loss."""

from .detection import Jump, detect_jumps

__all__ = ["Jump", "detect_jumps"]
