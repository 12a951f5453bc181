"""The energy levels: the dimensionalities at which features come to rest, and the polytopes that cause them."""

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class Level:
    """One energy level: the dimensionality D of every feature in a *polytope*."""

    dimensionality: Fraction
    polytope: str

    @property
    def label(self) -> str:
        """The level as its rational number, such as ``1/2``."""
        return str(self.dimensionality)


# Toy Models of Superposition, "Uniform Superposition": the polytopes a group of equal features forms, densest last.
LEVELS: tuple[Level, ...] = (
    Level(Fraction(1), "dedicated"),
    Level(Fraction(3, 4), "tetrahedron"),
    Level(Fraction(2, 3), "triangle"),
    Level(Fraction(1, 2), "digon"),
    Level(Fraction(2, 5), "pentagon"),
    Level(Fraction(3, 8), "square antiprism"),
    Level(Fraction(0), "not represented"),
)


def nearest_level(value: float, tolerance: float = 0.02) -> Level | None:
    """Return the level within *tolerance* of a dimensionality, the nearest if there are several, or None."""
    best = min(LEVELS, key=lambda level: abs(float(level.dimensionality) - value))
    # The comparison is written so that a NaN, which is near nothing, gives None.
    return best if abs(float(best.dimensionality) - value) <= tolerance else None
