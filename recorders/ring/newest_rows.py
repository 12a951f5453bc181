"""The newest rows of a recording: those that lie in the ring and not yet, or never, in the file."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .channels import Block
from .derived import with_features
from .lock import is_held
from .paths import ring_path
from .ring import Ring, State


@dataclass(frozen=True)
class Tail:
    """Rows from a ring, with the recording they belong to and whether anybody still adds to it."""

    token: str
    is_live: bool
    block: Block | None


def read_tail(path: Path) -> Tail | None:
    """Return the rows in the ring of the recording at *path*; None where there is no ring.

    Read the file after it, not before: a row leaves the ring once it is in the file.
    """
    # In this order: a ring that nobody holds any more gets no further rows.
    held = is_held(ring_path(path))
    ring = Ring.open(ring_path(path))
    if ring is None:
        return None
    start = ring.tail
    count = ring.complete_after(start)
    rows = ring.rows[np.arange(start, start + count) % ring.capacity] if count else ring.rows[:0].copy()
    # The slots of rows that were taken meanwhile may have been used again while they were copied.
    rows = rows[max(0, ring.tail - start) :]
    block = with_features(ring.block(rows), ring.layout.channels)[0] if len(rows) else None
    return Tail(ring.layout.token, held and ring.state is State.RECORDING, block)
