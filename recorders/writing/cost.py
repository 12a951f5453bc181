"""What a recording will take on the disk."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from ..text import readable

# A training of unknown length is warned where the disk has room for fewer rows than this: a hundred thousand steps are
# common, more of a large model are not.
_FEW_ROWS = 100_000


@dataclass(frozen=True)
class Price:
    """What a recording will take: bytes a row, rows, bytes in all, and the bytes free on its disk."""

    bytes_per_row: int
    rows: int
    total_bytes: int
    free_bytes: int

    @property
    def fits(self) -> bool:
        """Whether the disk has room for it."""
        return self.total_bytes <= self.free_bytes

    @classmethod
    def of(cls, bytes_per_row: int, rows: int, path: Path) -> "Price":
        """Return the price of so many rows in the file at *path*."""
        folder = next(folder for folder in path.absolute().parents if folder.is_dir())
        return cls(bytes_per_row, rows, bytes_per_row * rows, shutil.disk_usage(folder).free)

    def __str__(self) -> str:
        verdict = "fits" if self.fits else "DOES NOT FIT"
        return (
            f"{self.bytes_per_row:,} bytes a row, {self.rows:,} rows, {readable(self.total_bytes)} in all; "
            f"{readable(self.free_bytes)} free, it {verdict}"
        )


def room_for_rows(bytes_per_row: int, folder: Path) -> str:
    """Say what a row takes and what is free, and warn of little room, for a recording of unknown length."""
    free = shutil.disk_usage(folder).free
    rows = free // max(1, bytes_per_row)
    warning = f", room for {rows:,} rows: --every and --select record less" if rows < _FEW_ROWS else ""
    return f"{bytes_per_row:,} bytes a row; {readable(free)} free{warning}"
