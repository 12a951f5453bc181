"""A change of the loss shared out among what moved."""

from typing import TYPE_CHECKING

from ...faces import face

if TYPE_CHECKING:
    from .allocation import Allocation, allocate

__all__ = ["Allocation", "allocate"]

__getattr__, __dir__ = face(__name__, {".allocation": ["Allocation", "allocate"]})
