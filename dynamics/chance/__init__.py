"""What directions at random would show, and what may be said of features because no chance would say it too."""

from typing import TYPE_CHECKING

from ...faces import face

if TYPE_CHECKING:
    from .dimensionalities import expected, log_chance_of_all, log_chances, scatter
    from .judging import FAMILY_WISE, is_beyond, judge, of_row
    from .laws import log_cosine_above
    from .motion import Moves, looked_at, moves, moves_of
    from .search import Found, search
    from .verdict import Verdict
    from .wandering import log_chance_of_change

__all__ = [
    "FAMILY_WISE",
    "Found",
    "Moves",
    "Verdict",
    "expected",
    "is_beyond",
    "judge",
    "log_chance_of_all",
    "log_chance_of_change",
    "log_chances",
    "log_cosine_above",
    "looked_at",
    "moves",
    "moves_of",
    "of_row",
    "scatter",
    "search",
]

__getattr__, __dir__ = face(
    __name__,
    {
        ".dimensionalities": ["expected", "log_chance_of_all", "log_chances", "scatter"],
        ".judging": ["FAMILY_WISE", "is_beyond", "judge", "of_row"],
        ".laws": ["log_cosine_above"],
        ".motion": ["Moves", "looked_at", "moves", "moves_of"],
        ".search": ["Found", "search"],
        ".verdict": ["Verdict"],
        ".wandering": ["log_chance_of_change"],
    },
)
