"""Which saddle or minimum of the loss is near each plateau of a run."""

from .stories.saddles import LandscapeRow, curvatures, landscape

__all__ = ["LandscapeRow", "curvatures", "landscape"]
