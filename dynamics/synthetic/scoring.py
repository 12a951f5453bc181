"""How well found jumps agree with planted ones."""

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass

from ..jumps import Jump
from .trajectories import PlantedJump


@dataclass(frozen=True)
class Score:
    """How many jumps were planted and found, how many match, and of these how many agree in time and in features."""

    planted: int
    found: int
    matched: int
    timed: int
    exact: int

    @property
    def recall(self) -> float:
        """The share of the planted jumps that were found; 1 where none was planted."""
        return self.matched / self.planted if self.planted else 1.0

    @property
    def precision(self) -> float:
        """The share of the found jumps that were planted; 1 where none was found."""
        return self.matched / self.found if self.found else 1.0

    @property
    def within(self) -> float:
        """The share of the matching jumps whose middle lies within the planted ramp; 1 where none matches."""
        return self.timed / self.matched if self.matched else 1.0


def score(found: Sequence[Jump], planted: Sequence[PlantedJump]) -> Score:
    """Return how *found* agrees with *planted*; each jump matches one other at most.

    Two match where their steps overlap and they have a feature in common. They agree in time where the middle of the
    one lies within the other, and in features where these are the same.
    """
    left, pairs = list(found), []
    for truth in planted:
        match = next((jump for jump in left if _meet(jump, truth)), None)
        if match:
            left.remove(match)
            pairs.append((match, truth))
    timed = sum(truth.start <= (jump.start + jump.end) / 2 <= truth.end for jump, truth in pairs)
    exact = sum(jump.features == truth.features for jump, truth in pairs)
    return Score(len(planted), len(found), len(pairs), timed, exact)


def total(scores: Iterable[Score]) -> Score:
    """Return the score of all trajectories together."""
    return Score(*map(sum, zip(*map(astuple, scores), strict=True)))


def _meet(jump: Jump, truth: PlantedJump) -> bool:
    overlaps = jump.start <= truth.end and truth.start <= jump.end
    return overlaps and not set(jump.features).isdisjoint(truth.features)
