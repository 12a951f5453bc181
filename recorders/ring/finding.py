"""Which ring is whose: where that of a file is found, and where one is kept whose file was moved away."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .lock import claimed
from .paths import ring_path
from .ring import Ring, aside


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
    return follows(last, ring.filed, first)


def follows(last: int, filed: int, first: int | None) -> bool:
    """Whether nothing lies between a file's last row and a ring's first one, None where it has none.

    last, first: their steps. filed: that of the last row that went from the ring into its file.
    """
    # Rows from the first one on replace those of the file.
    return filed <= last or (first is not None and first <= filed)


def stray_beside(recording: Path) -> Ring | None:
    """Return the ring that lies beside a file, if it has rows of another one that was moved away."""
    ring = Ring.open(ring_path(recording))
    return ring if ring is not None and ring.is_stray(recording) else None


@contextmanager
def replacing(recording: Path) -> Iterator[None]:
    """Replace the file of a recording meanwhile, whose ring goes too.

    Raises OutputExistsError where somebody writes it.
    """
    with claimed(recording):
        stray = stray_beside(recording)
        yield
        if stray is None:
            ring_path(recording).unlink(missing_ok=True)
        else:
            stray.put_aside()
