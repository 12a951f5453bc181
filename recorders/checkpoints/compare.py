"""Two recordings compared: the first row in which they differ, and whatever else is not the same in them."""

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import numpy as np

from ..reading.recording import Recording
from .distance import largest
from .pairs import GROUPS, ArrayPair, CommonRows, Source, arrays_of, common_rows, form
from .parting import Parting
from .search import first_by_halves, first_of_all, row_by_row


def diff(a: Source, b: Source, *, exhaustive: bool = False) -> Parting:
    """Compare two recordings and return where they part; each is a path, or a recording that is open.

    Numbers are compared by their bits; 0.0 equals -0.0, and a NaN one of the same bits. Rows are matched by their
    steps. Steps and scalars are read up to the first difference; parameters by halves, about log2 of the rows, which
    takes it that what parted stays parted. *exhaustive* reads every row. Distance, growth and jumps are read when they
    are asked for.

    Raises RecordingError for what is no recording, such as the result of a sweep.
    """
    with common_rows(a, b) as sides:
        scalars = _first_steps(sides.pairs("scalars"), sides)
        hints = [k for row in scalars.values() for k in (row, row + 1)]
        parameters = sides.pairs("parameters")
        row = _first_row(sides, "parameters", parameters, hints, exhaustive)
        apart = (
            {} if row is None else {name: largest(each, row) for name, each in parameters.items() if each.differs(row)}
        )
        most = max(apart, key=lambda name: np.nan_to_num(apart[name], nan=np.inf), default=None)
        hints = hints if row is None else [*hints, row, row + 1]
        return Parting(
            a=str(sides.a.path),
            b=str(sides.b.path),
            rows=len(sides.step),
            rows_a=len(sides.a) - len(sides.step),
            rows_b=len(sides.b) - len(sides.step),
            step=None if row is None else int(sides.step[row]),
            parameter=most,
            largest=None if most is None else apart[most],
            parameters=apart,
            scalars={name: int(sides.step[k]) for name, k in scalars.items()},
            arrays=_arrays(sides, hints, exhaustive),
            settings=_settings(sides.a.config, sides.b.config),
            shapes=_shapes(sides),
            only_a=_only(sides.a, sides.b),
            only_b=_only(sides.b, sides.a),
            exhaustive=exhaustive,
            is_from_the_start=row == 0,
            _sources=(a, b),
        )


def _apart(pairs: Mapping[str, ArrayPair], row: int | None) -> dict[str, float]:
    """Return by how much each array differs in a row, of those that do."""
    return {} if row is None else {name: largest(each, row) for name, each in pairs.items() if each.differs(row)}


def _first_row(
    sides: CommonRows, group: str, pairs: Mapping[str, ArrayPair], hints: list[int], exhaustive: bool
) -> int | None:
    if exhaustive:
        return first_of_all(pairs, len(sides.step))
    with ExitStack() as stack:
        for recording in (sides.a, sides.b):
            stack.enter_context(row_by_row(recording, [f"{group}/{name}" for name in pairs]))
        return first_by_halves(pairs, len(sides.step), hints)


def _first_steps(pairs: Mapping[str, ArrayPair], sides: CommonRows) -> dict[str, int]:
    """Return the first row in which each differs, of those that do."""
    found = {name: first_of_all({name: pair}, len(sides.step)) for name, pair in pairs.items()}
    return {name: row for name, row in found.items() if row is not None}


def _arrays(sides: CommonRows, hints: list[int], exhaustive: bool) -> dict[str, int]:
    """Return the first step at which each array that is no parameter differs, of those that do."""
    found = {}
    for group in GROUPS[1:]:
        for name, pair in sides.pairs(group).items():
            row = _first_row(sides, group, {name: pair}, hints, exhaustive)
            if row is not None:
                found[f"{group}/{name}"] = int(sides.step[row])
    return found


def _shapes(sides: CommonRows) -> dict[str, tuple[str, str]]:
    found = {}
    for group in GROUPS:
        one, other = arrays_of(sides.a, group), arrays_of(sides.b, group)
        both = [(name, form(one[name]), form(other[name])) for name in one if name in other]
        found.update({f"{group}/{name}": (x, y) for name, x, y in both if x != y})
    return found


def _only(one: Recording, other: Recording) -> list[str]:
    """Return the arrays that one has and the other not."""
    return [
        f"{group}/{name}"
        for group in ("scalars", *GROUPS)
        for name in arrays_of(one, group)
        if name not in arrays_of(other, group)
    ]


def _settings(a: Any, b: Any, prefix: str = "") -> dict[str, tuple[Any, Any]]:
    """Return what two configs say otherwise, by its place in them; None stands for what one does not say."""
    if not (isinstance(a, dict) and isinstance(b, dict)):
        # Settings are JSON, in which a NaN is one.
        return {} if a == b or (a != a and b != b) else {prefix: (a, b)}
    found: dict[str, tuple[Any, Any]] = {}
    for name in dict.fromkeys([*a, *b]):
        found |= _settings(a.get(name), b.get(name), f"{prefix}.{name}" if prefix else str(name))
    return found
