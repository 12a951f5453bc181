"""Training frameworks that call us: their callbacks."""

from typing import TYPE_CHECKING

from ...faces import face

if TYPE_CHECKING:
    from . import lightning, transformers

__all__ = ["lightning", "transformers"]

__getattr__, __dir__ = face(__name__, {}, ["lightning", "transformers"])
