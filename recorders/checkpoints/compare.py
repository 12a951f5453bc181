"""Two recordings compared: the first row in which they differ, and whatever else is not the same in them."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..reading.recording import Recording
from .distance import largest
from .pairs import GROUPS, ArrayPair, CommonRows, Source, arrays_of, common_rows, form, unequal
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
        row, apart = _parameters(sides, hints, exhaustive)
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
            arrays=_constants(sides) | _arrays(sides, hints, exhaustive),
            settings=_settings(sides.a.config, sides.b.config),
            shapes=_shapes(sides),
            only_a=_only(sides.a, sides.b),
            only_b=_only(sides.b, sides.a),
            exhaustive=exhaustive,
            is_from_the_start=row == 0,
            _sources=(a, b),
        )


def _parameters(sides: CommonRows, hints: list[int], exhaustive: bool) -> tuple[int | None, dict[str, float]]:
    """Return the first common row in which parameters differ, and by how much those do that differ in it."""
    pairs = sides.pairs("parameters")
    with _row_by_row(sides, "parameters", pairs):
        row = _first_row(pairs, len(sides.step), hints, exhaustive)
        apart = [] if row is None else [name for name, each in pairs.items() if each.differs(row)]
        return row, {name: largest(pairs[name], row or 0) for name in apart}


@contextmanager
def _row_by_row(sides: CommonRows, group: str, names: Iterable[str]) -> Iterator[None]:
    """While it lasts, a row of these arrays is read on either side without the rest of its chunk."""
    paths = [f"{group}/{name}" for name in names]
    with row_by_row(sides.a, paths), row_by_row(sides.b, paths):
        yield


def _first_row(pairs: Mapping[str, ArrayPair], rows: int, hints: list[int], exhaustive: bool) -> int | None:
    return first_of_all(pairs, rows) if exhaustive else first_by_halves(pairs, rows, hints)


def _first_steps(pairs: Mapping[str, ArrayPair], sides: CommonRows) -> dict[str, int]:
    """Return the first row in which each differs, of those that do."""
    found = {name: first_of_all({name: pair}, len(sides.step)) for name, pair in pairs.items()}
    return {name: row for name, row in found.items() if row is not None}


def _arrays(sides: CommonRows, hints: list[int], exhaustive: bool) -> dict[str, int]:
    """Return the first step at which each array that is no parameter differs, of those that do."""
    found: dict[str, int] = {}
    for group in GROUPS[1:]:
        pairs = sides.pairs(group)
        with _row_by_row(sides, group, pairs):
            rows = {name: _first_row({name: each}, len(each), hints, exhaustive) for name, each in pairs.items()}
        found.update({f"{group}/{name}": int(sides.step[row]) for name, row in rows.items() if row is not None})
    return found


def _constants(sides: CommonRows) -> dict[str, int]:
    """Return the constants that differ, each with the first common step, since they are the same in every row."""
    one, other, first = sides.a.constants, sides.b.constants, sides.step[:1].tolist()
    differing = [name for name in one if name in other and not _is_same(one[name][()], other[name][()])]
    return {f"constants/{name}": step for name in differing for step in first}


def _is_same(x: Any, y: Any) -> bool:
    one, other = np.asarray(x), np.asarray(y)
    return one.shape == other.shape and one.dtype == other.dtype and not unequal(one, other).any()


def _shapes(sides: CommonRows) -> dict[str, tuple[str, str]]:
    found = {}
    for group in GROUPS:
        one, other = arrays_of(sides.a, group), arrays_of(sides.b, group)
        both = [(name, form(one[name]), form(other[name])) for name in one if name in other]
        found.update({f"{group}/{name}": (x, y) for name, x, y in both if x != y})
    return found


def _only(one: Recording, other: Recording) -> list[str]:
    """Return the arrays that one has and the other not."""
    constants = [f"constants/{name}" for name in one.constants if name not in other.constants]
    return constants + [
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
