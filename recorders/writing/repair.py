"""Making a clean file of what a crash left."""

from dataclasses import dataclass
from pathlib import Path

import h5py

from ...dynamics.errors import RecordingError
from ..file.hdf5 import dataset_at
from ..file.journal import redo
from ..file.store import Store
from ..file.superblock import clear_in_place
from ..reading.opening import check_format, open_file
from ..ring.lock import is_held
from ..ring.paths import ring_path
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
    if is_held(ring_path(path)):
        raise RecordingError(f"{path} is still being written; end the training first")
    with open_file(path) as file:
        check_format(path, file)
    make_whole(path)
    with h5py.File(path, "r") as file:
        status, token, rows = str(file.attrs["status"]), file.attrs.get("token"), int(dataset_at(file, "committed")[0])
    ring = Ring.open(ring_path(path), writable=True)
    if ring is not None and ring.layout.token != token:
        # It belongs to another recording, which may have been put elsewhere: it is not ours to delete.
        ring = None
    if status != "recording":
        if ring is not None:
            ring.remove()
        return Repaired(rows, 0, status)
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
