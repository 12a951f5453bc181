"""Recordings and sweeps in the formats of other programs; what writes a format is loaded when it is first used."""

from .exporting import export

__all__ = ["export"]
