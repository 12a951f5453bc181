"""What the polytopes of a matrix form together: three digons in orthogonal dimensions are an octahedron."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import starmap

from .identification import ORTHOGONAL, Polytope

# Tegum products have names in up to four dimensions: the parts, each with how often it is there.
_PRODUCTS = {
    (("digon", 2),): "square",
    (("digon", 3),): "octahedron",
    (("digon", 4),): "16-cell",
    (("digon", 1), ("triangle", 1)): "triangular bipyramid",
    (("digon", 1), ("pentagon", 1)): "pentagonal bipyramid",
    (("digon", 1), ("hexagon", 1)): "hexagonal bipyramid",
    (("digon", 1), ("tetrahedron", 1)): "tetrahedral bipyramid",
    (("triangle", 2),): "triangle pair",
    (("pentagon", 2),): "pentagon pair",
    (("hexagon", 2),): "hexagon pair",
}
# How a part is called in words, where not by its name.
_CALLED = {"6-gon": "hexagon"}
# What is no noun has no plural.
_UNNAMED = "unnamed"
_ADJECTIVES = ("dedicated", "merged", _UNNAMED)
# A feature alone in its direction has this D or more where not even one other overlaps it as orthogonal ones may.
_DEDICATED = 1 / (1 + ORTHOGONAL**2)
_ALONE, MISSING = "lone feature", "not represented"
_SINGLE = ("dedicated", _ALONE)


@dataclass(frozen=True)
class Whole:
    """Some polytopes that are told as one: what they form together, or several of one kind, or a single one.

    name is a product's, such as *octahedron*, or the parts' own with their number, such as *5 digons*; a single
    feature is *dedicated* where its D is 1, and else a *lone feature*. The words, str(), name a product with its
    parts, ``octahedron (3 digons)``.
    """

    name: str
    parts: tuple[Polytope, ...]

    @cached_property
    def features(self) -> tuple[int, ...]:
        """The columns' indices, in order."""
        return tuple(sorted(feature for part in self.parts for feature in part.features))

    @property
    def rank(self) -> int:
        """How many dimensions the parts span together."""
        return sum(part.rank for part in self.parts)

    @property
    def confidence(self) -> float:
        """That of the part that is the least sure."""
        return min(part.confidence for part in self.parts)

    def __str__(self) -> str:
        if self.name == MISSING:
            return _missing(len(self.features))
        if self.name not in _PRODUCTS.values():
            return self.name
        return _with_parts(self.name, Counter(map(word_of, sorted(self.parts, key=lambda part: -part.rank))))


def whole(parts: Sequence[Polytope]) -> list[Whole]:
    """Return what *parts*, the polytopes of one matrix as identify() returns them, form together.

    Where all parts of more than one feature make a product that has a name in two to four dimensions, they are one
    whole: digons a square, an octahedron or a 16-cell, a polygon and a digon a bipyramid, two pentagons a pentagon
    pair. More digons are an orthoplex of more dimensions and stay *5 digons*; so do other parts, those of one name
    together. Lone features and those that are not represented come last. Names are those of directions, as
    identify()'s are, and say nothing of whether chance would give them.
    """
    single = [part for part in parts if part.rank and len(part.features) == 1]
    several = [part for part in parts if part.rank and len(part.features) > 1]
    missing = [part for part in parts if not part.rank]
    product = _product(Counter(map(word_of, several)))
    together = [Whole(product, tuple(several))] if product else _alike(several)
    return [*together, *_alike(single), *(Whole(MISSING, (part,)) for part in missing)]


def summary(polytopes: Sequence[Polytope]) -> str:
    """Return what the features form in words, such as ``octahedron (3 digons), 20 features not represented``."""
    return ", ".join(map(str, whole(polytopes)))


def shapes_of(parts: Sequence[Polytope]) -> dict[int, str]:
    """Return what each feature is in, by its number: a polytope, or *not represented*; nothing of what is *unnamed*."""
    return {feature: word_of(part) for part in parts if part.name != _UNNAMED for feature in part.features}


def in_words(counts: Mapping[str, int]) -> str:
    """Return what so many parts of each name form in words, as summary() does of the parts themselves.

    Names are those of word_of(); of *not represented* the features are counted.
    """
    several = {name: count for name, count in counts.items() if name not in (*_SINGLE, MISSING)}
    product = _product(several)
    told = [_with_parts(product, several)] if product else list(starmap(many, several.items()))
    told += [many(name, counts[name]) for name in _SINGLE if name in counts]
    return ", ".join([*told, *([_missing(counts[MISSING])] if MISSING in counts else [])])


def many(name: str, count: int) -> str:
    """Return a polytope's name with how many there are: ``digon``, ``5 digons``, ``3 × dedicated``."""
    if count == 1:
        return name
    is_noun = name not in _ADJECTIVES and not name[0].isdecimal()
    return f"{count} {_plural(name)}" if is_noun else f"{count} × {name}"


def word_of(part: Polytope) -> str:
    """Return how one part is called: *dedicated* is a feature with a dimension to itself, and not any that is alone."""
    if part.name == "dedicated" and part.dimensionality < _DEDICATED:
        return _ALONE
    return _CALLED.get(part.name, part.name)


def _product(counts: Mapping[str, int]) -> str | None:
    return _PRODUCTS.get(tuple(sorted(counts.items())))


def _with_parts(product: str, counts: Mapping[str, int]) -> str:
    return f"{product} ({', '.join(starmap(many, counts.items()))})"


def _missing(count: int) -> str:
    return f"{count} feature{'s' * (count > 1)} {MISSING}"


def _plural(name: str) -> str:
    for one, several in (("hedron", "hedra"), ("plex", "plices")):
        if name.endswith(one):
            return name.removesuffix(one) + several
    return f"{name}s"


def _alike(parts: Sequence[Polytope]) -> list[Whole]:
    """Put those of one name together, in the order in which the names first occur."""
    groups: dict[str, list[Polytope]] = {}
    for part in parts:
        groups.setdefault(word_of(part), []).append(part)
    return [Whole(many(name, len(group)), tuple(group)) for name, group in groups.items()]
