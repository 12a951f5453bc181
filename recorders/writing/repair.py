"""Making a clean file of what a crash left."""

import warnings
from dataclasses import dataclass
from pathlib import Path

import h5py

from ...dynamics.errors import RecordingError
from ..file.hdf5 import dataset_at
from ..file.journal import redo
from ..file.store import Store
from ..file.superblock import clear_in_place
from ..reading.opening import check_format, located, open_file
from ..ring.finding import find_ring, follows_file
from ..ring.lock import claimed
from ..ring.paths import is_live
from ..ring.ring import Ring, State
from .drain import Drain


@dataclass(frozen=True)
class Repaired:
    """What a repair found: rows in the file now, how many of them came from the ring, and the status."""

    rows: int
    from_ring: int
    status: str


def make_whole(path: Path) -> None:
    """Make the file of a lost writer fit for writing: finish a change that was begun, clear its flags."""
    redo(path)
    clear_in_place(path)


def repair(path: Path) -> Repaired:
    """Turn what a crash left into a clean file that any HDF5 reader opens, with every row that was complete.

    A recording that was closed in order is left as it is. A repair that is itself interrupted can be begun again.
    Raises RecordingError for a recording that is still being written, and for what is none.
    """
    place = located(path)
    if is_live(place):
        raise RecordingError(f"{path} is still being written; end the training first")
    with open_file(place) as file:
        check_format(place, file)
    with claimed(place):
        return fold_in(place)


def fold_in(path: Path) -> Repaired:
    """Repair a recording, of which the caller is the only writer, by the name beside which its ring lies."""
    make_whole(path)
    with h5py.File(path, "r") as file:
        status, token, rows = str(file.attrs["status"]), file.attrs.get("token"), int(dataset_at(file, "committed")[0])
        noted, last = file.attrs.get("ring"), int(dataset_at(file, "step")[rows - 1]) if rows else -1
    # One of another recording, which may have been put elsewhere, is not ours to delete.
    ring = find_ring(path, str(token), noted, writable=True)
    if status != "recording":
        if ring is not None:
            ring.remove()
        return Repaired(rows, 0, status)
    if ring is None:
        warnings.warn(f"{path}: its ring is not beside it; rows after step {last} may be missing", stacklevel=3)
    elif not follows_file(ring, last):
        raise RecordingError(
            f"{path} is an older copy of the recording that {ring.path.name} belongs to; put the newer file in its "
            "place, or that one elsewhere"
        )
    return _drained(path, ring)


def _drained(path: Path, ring: Ring | None) -> Repaired:
    store, from_ring = Store(path), 0
    try:
        if ring is not None:
            from_ring = ring.complete - ring.tail
            Drain(ring, store).take(ring.complete)
        status = "complete" if ring is not None and ring.state is State.COMPLETE else "repaired"
        store.close(status, **({} if ring is None else ring.ending))
    except BaseException:
        store.abandon()
        raise
    if ring is not None:
        ring.remove()
    return Repaired(store.rows, from_ring, status)
