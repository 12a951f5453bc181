"""What may be said of the features of a matrix, and how."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..levels import BETWEEN, LEVELS, UNKNOWN, level_indices
from ..polytopes.identification import Polytope
from ..polytopes.wholes import summary, word_of
from .motion import Moves

# What features are called that have no shape.
AS_RANDOM, UNNAMED, NEVER_MOVED, MISSING = "as random directions", "unnamed", "never moved", "not represented"
_NO_SHAPE = (AS_RANDOM, UNNAMED, NEVER_MOVED, MISSING)


@dataclass(frozen=True, eq=False)
class Verdict:
    """What may be said of a matrix W (m, n).

    parts are the groups, each with a name that is beyond chance or none; the last of them are features without one, all
    together: *as random directions*, *unnamed* where their D is not as at random either, *never moved* and *not
    represented*. D (n,) are the dimensionalities, is_beyond (n,) tells whose D, or whose group, is beyond chance, and
    is_random whether all together share their space as at random. median and at_random are the medians of the
    represented features' D, and of what it would be at random. moves is what moved, None where that is not known.
    """

    parts: tuple[Polytope, ...]
    D: np.ndarray
    is_beyond: np.ndarray
    is_random: bool
    median: float
    at_random: float
    moves: Moves | None = None

    @property
    def shaped(self) -> list[Polytope]:
        """The groups that have the name of a shape."""
        return [part for part in self.parts if part.name not in _NO_SHAPE]

    @cached_property
    def names(self) -> dict[int, str]:
        """The shape that each feature is in, of those that are in any."""
        return {feature: word_of(part) for part in self.shaped for feature in part.features}

    @property
    def form(self) -> str:
        """What the features form in words, such as ``2 × digon, 60 features as random directions``."""
        told = [part for part in self.parts if part.name not in (AS_RANDOM, NEVER_MOVED)]
        counts = {part.name: len(part.features) for part in self.parts if part.name in (AS_RANDOM, NEVER_MOVED)}
        others = [f"{count} feature{'s' * (count > 1)} {name}" for name, count in counts.items()]
        return ", ".join([*([summary(told)] if told else []), *others])

    @property
    def says_more(self) -> bool:
        """Whether there is anything beyond chance in this matrix."""
        return bool(self.is_beyond.any()) or not self.is_random

    @property
    def words(self) -> str:
        """What is said of a matrix, or of the features in it, that have no name and no level."""
        moved = "" if self.moves is None or self.moves.rests else "drifts; "
        if self.moves is not None and not self.moves.any:
            moved = "did not move; "
        if self.is_random:
            return f"{moved}{AS_RANDOM} (median D {self.median:.2f})"
        return f"{moved}no shape, and not {AS_RANDOM} (median D {self.median:.2f}, at random {self.at_random:.2f})"

    def as_dict(self) -> dict[str, object]:
        """Return what JSON can hold."""
        return {
            "beyond": self.says_more,
            "features_beyond": int(self.is_beyond.sum()),
            "median_dimensionality": _known(self.median),
            "at_random": _known(self.at_random),
            "moved": None if self.moves is None else bool(self.moves.any),
            "rests": None if self.moves is None else self.moves.rests,
            "words": self.words,
        }

    def levels(self) -> dict[str, int]:
        """Count the features by what may be said of their D: levels, highest first.

        Those that are as at random, that never moved, or that are between the levels come last.
        """
        told = [self._level(feature, level) for feature, level in enumerate(level_indices(self.D).tolist())]
        order = [*(level.words for level in LEVELS), BETWEEN, self._no_level, NEVER_MOVED, UNKNOWN]
        return {name: told.count(name) for name in order if name in told}

    @property
    def _no_level(self) -> str:
        """What is said of the features whose D is none that chance would not have given them."""
        if not self.says_more:
            return self.words
        # It is the median of those that it is said of.
        others = [part for part in self.parts if part.name in (AS_RANDOM, UNNAMED)]
        features = [feature for part in others for feature in part.features if not self.is_beyond[feature]]
        return f"{AS_RANDOM if self.is_random else 'at no level'} (median D {median_of(self.D[features]):.2f})"

    def _level(self, feature: int, level: int) -> str:
        if not np.isfinite(self.D[feature]):
            return UNKNOWN
        group = self._groups.get(feature, "")
        if group == NEVER_MOVED:
            return NEVER_MOVED
        if group == MISSING:
            return LEVELS[-1].words
        if not self.is_beyond[feature]:
            return self._no_level
        if level < 0:
            return BETWEEN
        return LEVELS[level].words

    @cached_property
    def _groups(self) -> dict[int, str]:
        return {feature: part.name for part in self.parts for feature in part.features}


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def median_of(values: np.ndarray) -> float:
    """Return the median, NaN of nothing."""
    return float(np.median(values)) if values.size else math.nan
