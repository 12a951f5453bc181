"""What a recording will take on the disk."""

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from ..schedule.steps import Schedule
from ..schedule.trigger import Trigger
from ..text import readable

# A training of unknown length is warned where the disk has room for fewer rows than this: a hundred thousand steps are
# common, more of a large model are not.
_FEW_ROWS = _MANY_STEPS = 100_000
_LOG = logging.getLogger("dyn")
_IS_TOLD = ContextVar("dyn.price_is_told", default=False)


@dataclass(frozen=True)
class Price:
    """What a recording will take: bytes a row, rows, bytes in all, and the bytes free on its disk.

    checkpoints_bytes: what of all are checkpoints.

    is_least: rows are the fewest that there will be, as with a trigger, which keeps more around each drop of the loss.
    """

    bytes_per_row: int
    rows: int
    total_bytes: int
    free_bytes: int
    is_least: bool = False
    checkpoints_bytes: int = 0

    @property
    def fits(self) -> bool:
        """Whether the disk has room for it."""
        return self.total_bytes <= self.free_bytes

    @classmethod
    def of(
        cls, bytes_per_row: int, rows: int, path: Path, *, is_least: bool = False, checkpoints_bytes: int = 0
    ) -> "Price":
        """Return the price of so many rows, or more, in the file at *path*."""
        total = bytes_per_row * rows + checkpoints_bytes
        return cls(bytes_per_row, rows, total, free_bytes(path), is_least, checkpoints_bytes)

    def __str__(self) -> str:
        verdict = "fits" if self.fits else "DOES NOT FIT"
        least = "at least " if self.is_least else ""
        kept = f"checkpoints of {readable(self.checkpoints_bytes)}, " if self.checkpoints_bytes else ""
        total = f"{kept}{least}{readable(self.total_bytes)} in all"
        return (
            f"{self.bytes_per_row:,} bytes a row, {least}{self.rows:,} rows, {total}; "
            f"{readable(self.free_bytes)} free, it {verdict}"
        )


def free_bytes(path: Path) -> int:
    """Return how many bytes are free where the file at *path* will lie, whichever of its folders are there."""
    return shutil.disk_usage(next(folder for folder in path.absolute().parents if folder.is_dir())).free


@contextmanager
def price_is_told() -> Iterator[None]:
    """While it lasts attach() does not say what a row takes: its caller does."""
    before = _IS_TOLD.set(True)
    try:
        yield
    finally:
        _IS_TOLD.reset(before)


def log_price(path: Path, bytes_per_row: int, schedule: Schedule) -> None:
    """Log what a row takes and for how many there is room; as a warning where a common training would not fit."""
    if _IS_TOLD.get():
        return
    # A folder that is asked in vain is no reason to fail.
    with suppress(OSError):
        free, wanted = free_bytes(path), schedule.expected_rows(_MANY_STEPS)
        rows = free // max(1, bytes_per_row)
        told = f"{path}: {bytes_per_row:,} bytes a row; {readable(free)} free, room for {rows:,} rows"
        if wanted * bytes_per_row <= free:
            _LOG.info(told)
        else:
            least = "at least " if isinstance(schedule, Trigger) else ""
            _LOG.warning(
                f"{told}, and {_MANY_STEPS:,} steps take {least}{wanted:,} of them: every=… and select=… record less"
            )


def log_checkpoints(path: Path, bytes_each: int, every: int) -> None:
    """Log what a checkpoint takes, besides the rows."""
    if not _IS_TOLD.get():
        _LOG.info(f"{path}: a checkpoint each {every:,} steps, of up to {readable(bytes_each)}")


def room_for_rows(bytes_per_row: int, folder: Path) -> str:
    """Say what a row takes and what is free, and warn of little room, for a recording of unknown length."""
    free = shutil.disk_usage(folder).free
    rows = free // max(1, bytes_per_row)
    warning = f", room for {rows:,} rows: --every and --select record less" if rows < _FEW_ROWS else ""
    return f"{bytes_per_row:,} bytes a row; {readable(free)} free{warning}"
