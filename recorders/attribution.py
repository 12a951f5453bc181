"""Whose motion brought a change of the loss."""

from .stories.attribution import AttributionRow, attribute
from .stories.payers import attribute_jumps, attribute_run

__all__ = ["AttributionRow", "attribute", "attribute_jumps", "attribute_run"]
