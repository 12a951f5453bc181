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


def put_strays_aside(recording: Path) -> None:
    """Make way beside a file, where the ring of another one may lie that was moved away."""
    ring = Ring.open(ring_path(recording))
    if ring is not None and ring.is_stray(recording):
        ring.put_aside()


@contextmanager
def replacing(recording: Path) -> Iterator[None]:
    """Replace the file of a recording meanwhile, whose ring goes afterwards, unless it is of one that was moved away.

    Raises OutputExistsError where somebody writes the file.
    """
    with claimed(recording):
        place = ring_path(recording)
        ring = Ring.open(place)
        if ring is None:
            place.unlink(missing_ok=True)
            yield
            return
        is_stray, kept = ring.is_stray(recording), ring.put_aside()
        try:
            yield
        except BaseException:
            kept.replace(place)
            raise
        if not is_stray:
            kept.unlink(missing_ok=True)
