"""Recordings and sweeps in the formats of other programs, block by block."""

from typing import TYPE_CHECKING

from ...faces import face

if TYPE_CHECKING:
    from .exporting import export

__all__ = ["export"]

__getattr__, __dir__ = face(__name__, {".exporting": ["export"]})
