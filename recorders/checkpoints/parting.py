"""What two recordings differ in: where they part, by how much, how the distance grows; as fields, words, a document."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ...dynamics.motion.growth import Growth, exponential_growth
from ..text import ShownAsText
from .distance import distances
from .pairs import Source, common_rows

if TYPE_CHECKING:
    from .jump_matches import JumpMatches

# What tells of jumps takes a while to load, and where two runs part is told without it.

_MOST_NAMED, _LETTERS = 6, 60
_WAY_OUT = "--exhaustive reads every row"


@dataclass(frozen=True, eq=False)
class Parting(ShownAsText):
    """Where two recordings part, A and B, and what is different in them.

    step is the first at which any parameter differs, None where none does in the *rows* that both have; parameters has
    every one that differs there, with the largest difference of an element (NaN where one of the two is not finite),
    parameter is that with the largest of all, and largest is that. scalars and arrays (buffers, constants, probes, and
    features without their matrix) have the first step at which each differs; settings what the configs say, A and B;
    shapes the arrays of other shapes or dtypes; only_a and only_b what one has alone, and rows_a and rows_b how many
    steps. exhaustive tells whether every row was read, is_from_the_start whether they part in the first common row.
    """

    a: str
    b: str
    rows: int
    rows_a: int
    rows_b: int
    step: int | None
    parameter: str | None
    largest: float | None
    parameters: Mapping[str, float]
    scalars: Mapping[str, int]
    arrays: Mapping[str, int]
    settings: Mapping[str, tuple[Any, Any]]
    shapes: Mapping[str, tuple[str, str]]
    only_a: list[str]
    only_b: list[str]
    exhaustive: bool
    is_from_the_start: bool
    _sources: tuple[Source, Source] = field(repr=False)

    @property
    def is_equal(self) -> bool:
        """Whether nothing was found that differs."""
        found = (self.scalars, self.arrays, self.settings, self.shapes, self.only_a, self.only_b)
        return self.step is None and not any(found) and not (self.rows_a or self.rows_b)

    @cached_property
    def distance(self) -> np.ndarray:
        """|theta_a - theta_b| over all parameters that both have, at each common step; (rows,). Reads every row."""
        with common_rows(*self._sources) as sides:
            return distances(sides)

    @cached_property
    def steps(self) -> np.ndarray:
        """The steps that both have; (rows,)."""
        with common_rows(*self._sources) as sides:
            return sides.step

    @cached_property
    def growth(self) -> Growth:
        """How fast the distance grows, with its error, or why there is no rate. Reads every row."""
        return exponential_growth(self.distance, self.steps)

    @cached_property
    def jumps(self) -> "JumpMatches | None":
        """The jumps that both have, and those of one alone; None without features that both have. Reads them all."""
        from .jump_matches import match_jumps

        with common_rows(*self._sources) as sides:
            return match_jumps(sides)

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold; the distance, its growth and the jumps only where every row was read."""
        from ..stories.story import plain

        document = {name: plain(getattr(self, name)) for name in _SHOWN}
        if not self.exhaustive:
            return document
        history = {"distance": plain(self.distance), "steps": plain(self.steps), "growth": asdict(self.growth)}
        return document | history | {"jumps": _jumps_document(self.jumps)}

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def _lines(parting: Parting) -> list[str]:
    """Return a comparison in words, a line for each kind of difference under a heading."""
    names = f"{parting.a} and {parting.b}"
    if parting.is_equal:
        seen = "in every row" if parting.exhaustive else "in all that was looked at"
        return [f"{names} are equal {seen}: {parting.rows:,} rows", *_how(parting)]
    return [
        _head(parting, names),
        *_differences(parting),
        *(_history(parting) if parting.exhaustive else _how(parting)),
    ]


def _how(parting: Parting) -> list[str]:
    return [] if parting.exhaustive else [f"  sought by halves: what parted is taken to stay so; {_WAY_OUT}"]


def _head(parting: Parting, names: str) -> str:
    if not parting.rows:
        return f"{names} have no step in common"
    if parting.step is None:
        return f"{names} have the same parameters in the {parting.rows:,} rows of both, and differ elsewhere"
    first = " (the first row of both)" if parting.parameters and parting.is_from_the_start else ""
    return f"{names} part at step {parting.step}{first}: {_by_how_much(parting)}"


def _by_how_much(parting: Parting) -> str:
    size, others = parting.largest, len(parting.parameters) - 1
    how = "to or from a number that is not finite" if size is None or math.isnan(size) else f"by {size:.3g}"
    more = f", and {others} other parameter{'s' * (others > 1)} by less" if others else ""
    return f"{parting.parameter} {how} at most{more}"


def _differences(parting: Parting) -> list[str]:
    firsts = {"scalars": parting.scalars, "arrays": parting.arrays}
    lines = [
        f"  {kind:<9} {_listed(f'{name} from step {step}' for name, step in found.items())}"
        for kind, found in firsts.items()
        if found
    ]
    lines += [f"  setting   {name}: {_short(x)} | {_short(y)}" for name, (x, y) in parting.settings.items()]
    lines += [f"  shape     {name}: {x} | {y}" for name, (x, y) in parting.shapes.items()]
    only = ((parting.a, parting.only_a, parting.rows_a), (parting.b, parting.only_b, parting.rows_b))
    for path, arrays, rows in only:
        alone = [*arrays, *([f"{rows:,} row{'s' * (rows > 1)} of other steps"] if rows else [])]
        lines += [f"  only      {_listed(alone)} in {path}"] if alone else []
    return lines


def _history(parting: Parting) -> list[str]:
    """Return how the distance grows, and the jumps of either side."""
    from ...dynamics.jumps.words import describe_jump

    lines = []
    if parting.step is not None:
        finite = parting.distance[np.isfinite(parting.distance)]
        most = f", {finite.max():.3g} at most" if finite.size else ""
        lines.append(f"  distance  {parting.growth}{most}")
    if (jumps := parting.jumps) is None:
        return lines
    whose = jumps.parameter if jumps.instance is None else f"{jumps.parameter}, instance {jumps.instance}"
    like = "" if jumps.permutation is None else ", features matched up to a rotation"
    counts = f"{len(jumps.both)} in both, {len(jumps.only_a)} only in A, {len(jumps.only_b)} only in B"
    lines.append(f"  jumps     of {whose}: {counts}{like}")
    lines += [f"    only A  {describe_jump(jump)}" for jump in jumps.only_a]
    return lines + [f"    only B  {describe_jump(jump)}" for jump in jumps.only_b]


def _listed(names: Iterable[str]) -> str:
    known = [*names]
    return ", ".join(known[:_MOST_NAMED]) + (f" and {len(known) - _MOST_NAMED} more" * (len(known) > _MOST_NAMED))


def _short(value: Any) -> str:
    text = "not there" if value is None else str(value)
    return text if len(text) <= _LETTERS else f"{text[:_LETTERS]}…"


_SHOWN = (
    "a", "b", "is_equal", "exhaustive", "rows", "rows_a", "rows_b", "step", "parameter", "largest", "parameters",
    "scalars", "arrays", "settings", "shapes", "only_a", "only_b",
)  # fmt: skip


def _jumps_document(jumps: "JumpMatches | None") -> dict[str, Any] | None:
    from ..stories.story import plain

    if jumps is None:
        return None
    return {
        "parameter": jumps.parameter,
        "instance": jumps.instance,
        "both": [[plain(asdict(a)), plain(asdict(b))] for a, b in jumps.both],
        "only_a": [plain(asdict(jump)) for jump in jumps.only_a],
        "only_b": [plain(asdict(jump)) for jump in jumps.only_b],
        "permutation": plain(jumps.permutation),
    }
