"""The newest rows of a recording: those that lie in the ring and not yet, or never, in the file."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .channels import Block
from .derived import with_features
from .paths import ring_path
from .ring import Ring, State, aside


@dataclass(frozen=True)
class Tail:
    """Rows from a ring, with the recording they belong to, and whether its training goes on as far as it said itself.

    filed: the step of the last row that went from the ring into the file, -1 where none did.
    """

    token: str
    goes_on: bool
    filed: int
    block: Block | None

    def follows(self, last: int) -> bool:
        """Whether nothing lies between the file's last row, of step *last*, and these."""
        return _follows(last, self.filed, None if self.block is None else int(self.block.step[0]))


def read_tail(place: Path) -> Tail | None:
    """Return the rows in the ring at *place*; None where there is no ring.

    Read the file after it, not before: a row leaves the ring once it is in the file.
    """
    ring = Ring.open(place)
    if ring is None:
        return None
    filed, start = ring.filed, ring.tail
    count = ring.complete_after(start)
    rows = ring.rows[np.arange(start, start + count) % ring.capacity] if count else ring.rows[:0].copy()
    # The slots of rows that were taken meanwhile may have been used again while they were copied.
    rows = rows[max(0, ring.tail - start) :]
    block = with_features(ring.block(rows), ring.layout.channels)[0] if len(rows) else None
    return Tail(ring.layout.token, ring.state is State.RECORDING, filed, block)


def find_ring(recording: Path, token: str, noted: str | None, *, writable: bool = False) -> Ring | None:
    """Return the ring of the recording *token*: the one beside its file, or where the file has *noted* it.

    None where there is none, and for the copy of a recording, whose ring has what the training went on with.
    """
    beside = ring_path(recording)
    places = [beside, *([recording.with_name(Path(noted).name), Path(noted)] if noted else [])]
    for place in dict.fromkeys([*places, *(aside(place, token) for place in places)]):
        ring = Ring.open(place, writable=writable)
        if ring is not None and ring.layout.token == token and (place == beside or ring.is_of(recording)):
            return ring
    return None


def follows_file(ring: Ring, last: int) -> bool:
    """Whether nothing lies between the file's last row, of step *last*, and those of the ring."""
    first = int(ring.rows["step"][ring.tail % ring.capacity]) if ring.complete > ring.tail else None
    return _follows(last, ring.filed, first)


def _follows(last: int, filed: int, first: int | None) -> bool:
    # Rows from the first one on replace those of the file.
    return filed <= last or (first is not None and first <= filed)
