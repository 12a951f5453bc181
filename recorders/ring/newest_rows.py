"""The newest rows of a recording: those that lie in the ring and not yet, or never, in the file."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .channels import Block
from .derived import with_features
from .finding import follows
from .ring import Ring, State


@dataclass(frozen=True)
class NewestRows:
    """Rows from a ring, with the recording they belong to, and whether its training goes on as far as it said itself.

    filed: the step of the last row that went from the ring into the file, -1 where none did.
    """

    token: str
    goes_on: bool
    filed: int
    block: Block | None

    def follows(self, last: int) -> bool:
        """Whether nothing lies between the file's last row, of step *last*, and these."""
        return follows(last, self.filed, None if self.block is None else int(self.block.step[0]))


def read_tail(place: Path) -> NewestRows | None:
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
    return NewestRows(ring.layout.token, ring.state is State.RECORDING, filed, block)
