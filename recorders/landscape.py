"""Which saddle or minimum of the loss is near each plateau of a run."""

from .stories.saddles import LandscapeRow, landscape

__all__ = ["LandscapeRow", "landscape"]
