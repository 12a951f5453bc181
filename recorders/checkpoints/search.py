"""The first row in which two recordings differ, sought by halves: what parted is taken to stay parted."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

import h5py
import numpy as np

from ..reading.recording import Recording, snapshot_of
from .pairs import ArrayPair


def first_by_halves(pairs: Mapping[str, ArrayPair], rows: int, hints: Iterable[int]) -> int | None:
    """Return the first common row in which any of the *pairs* differs; None where none of those looked at does.

    Looked at are the last row and the *hints*, and where the last one is equal and holds what is not finite, the last
    row before: two runs that diverged are alike again.
    """

    def differs(row: int) -> bool:
        return any(pair.differs(row) for pair in pairs.values())

    if not pairs or not rows:
        return None
    looks = sorted({rows - 1, *(row for row in hints if 0 <= row < rows)})
    bad = next((row for row in looks if differs(row)), None)
    if bad is None:
        last = _last_finite(pairs, rows)
        bad = last if last is not None and differs(last) else None
    return None if bad is None else _halved(differs, bad)


def first_of_all(pairs: Mapping[str, ArrayPair], rows: int) -> int | None:
    """Return the first common row in which any of the *pairs* differs, reading every row before it."""
    end = rows
    for pair in pairs.values():
        found = pair.first_different(end)
        end = end if found is None else found
    return None if end == rows else end


def _last_finite(pairs: Mapping[str, ArrayPair], rows: int) -> int | None:
    """Return the last row before the numbers of one side are not finite, to the end; None where they always are."""

    def is_bad(row: int) -> bool:
        values = [pair.rows(row, row + 1)[0] for pair in pairs.values()]
        return not all(np.isfinite(each).all() for each in values if each.dtype.kind in "fc")

    found = _halved(is_bad, rows - 1) - 1 if is_bad(rows - 1) else -1
    return found if found >= 0 else None


def _halved(holds: Callable[[int], bool], row: int) -> int:
    """Return the first row at which something holds, which holds at *row* and is taken to hold from the first on."""
    before = -1
    while row - before > 1:
        middle = (before + row) // 2
        before, row = (before, middle) if holds(middle) else (middle, row)
    return row


@contextmanager
def row_by_row(recording: Recording, paths: Iterable[str]) -> Iterator[None]:
    """While it lasts, a row of these arrays is read without the rest of its chunk.

    HDF5 reads whole chunks into its cache; without one, it reads what is asked for. All that have an array open share
    one cache, so that it is enough to have it open. A file that is being written is closed and opened by its writer.
    """
    snapshot = snapshot_of(recording)
    opened = []
    if not snapshot.is_live:
        access = h5py.h5p.create(h5py.h5p.DATASET_ACCESS)
        access.set_chunk_cache(1, 0, 1.0)
        file = snapshot.file()
        opened = [h5py.h5d.open(file.id, path.encode(), access) for path in paths if path in file]
    try:
        yield
    finally:
        opened.clear()
