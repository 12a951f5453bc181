"""How rows lie in the ring's file: the header that outlives its process, and where each part of a row is."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from struct import pack, unpack

import numpy as np

from .channels import Channel

# What every disk's blocks divide.
PAGE = 4096
# Parts of a row, or of a file, that have as many bytes begin on a page.
LARGE = 2**16

MAGIC = b"DYNRING2"
# What stands where nothing was recorded: a NaN that no arithmetic begins with, so that a loss of NaN is told from it.
_ABSENT = 0x7FF8_0000_0064_796E
NAN = unpack("<d", pack("<Q", _ABSENT))[0]
# The header's words, 8 bytes each, and after them the names of the scalars, what a writer says of its end, the schema.
_NAMES = ("magic", "header", "capacity", "tail", "state", "waited", "skipped", "names", "message", "schema", "final")
# What rings of 0.1.0 have not, where it is 0.
_NAMES += ("inode", "filed")
WORDS = {name: 8 * k for k, name in enumerate(_NAMES)}
NAMES_START, NAMES_ROOM = 128, 2**15 - 128
MESSAGE_START, MESSAGE_ROOM = NAMES_START + NAMES_ROOM, 1024
SCHEMA_START = MESSAGE_START + MESSAGE_ROOM
_ALIGNMENT = 64


@dataclass(frozen=True)
class RowLayout:
    """Where the parts of a row are, in bytes from its beginning.

    A row begins with *room* numbers for scalars, last name first; then step, time and the commit mark. So one packed
    write of any number of scalars ends with the mark. The channels follow, each aligned for a copy at full speed.
    """

    token: str
    room: int
    channels: tuple[Channel, ...]

    @property
    def step(self) -> int:
        """Where step, time and mark are, which follow each other."""
        return 8 * self.room

    @property
    def starts(self) -> dict[str, int]:
        """Where each channel begins, by path."""
        starts, at = {}, self.step + 24
        for channel in self.channels:
            starts[channel.path] = _aligned(at, _alignment(channel.nbytes))
            at = starts[channel.path] + channel.nbytes
        return starts

    @property
    def row_bytes(self) -> int:
        """How many bytes a row takes in the ring."""
        starts = self.starts
        ends = (starts[channel.path] + channel.nbytes for channel in self.channels)
        largest = max((channel.nbytes for channel in self.channels), default=0)
        return _aligned(max(ends, default=self.step + 24), _alignment(largest))

    @property
    def header_bytes(self) -> int:
        """How many bytes come before the first row."""
        return _aligned(SCHEMA_START + len(self.schema()), PAGE)

    def dtype(self) -> np.dtype:
        """Return a row as NumPy sees it."""
        fixed = [
            ("scalars", "<f8", (self.room,), 0),
            ("step", "<i8", (), self.step),
            ("time", "<f8", (), self.step + 8),
        ]
        fixed.append(("mark", "<i8", (), self.step + 16))
        starts = self.starts
        fields = [*fixed, *((c.path, c.dtype, c.shape, starts[c.path]) for c in self.channels)]
        names, formats, offsets = [f[0] for f in fields], [(f[1], f[2]) for f in fields], [f[3] for f in fields]
        return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": self.row_bytes})

    def schema(self) -> bytes:
        """Return the layout as the header keeps it."""
        entry = {"token": self.token, "room": self.room, "channels": [channel.as_dict() for channel in self.channels]}
        return json.dumps(entry).encode()

    @classmethod
    def from_schema(cls, schema: bytes) -> "RowLayout":
        """Return the layout that schema() described."""
        entry = json.loads(schema)
        return cls(entry["token"], entry["room"], tuple(Channel.from_dict(each) for each in entry["channels"]))


def is_absent(values: np.ndarray) -> np.ndarray:
    """Return where nothing was recorded among numbers (float64), of whatever shape; a NaN that was recorded is none."""
    return np.asarray(values, np.float64).view(np.uint64) == _ABSENT


def rows_within(channels: Sequence[Channel], room: int, *, most_bytes: int, most_rows: int) -> int:
    """Return how many rows a ring of at most that size has, at least two."""
    size = RowLayout("", room, tuple(channels)).row_bytes
    return max(2, min(most_rows, most_bytes // size))


def _alignment(size: int) -> int:
    """Return what the start of so many bytes is a multiple of: large ones can go to the disk without being copied."""
    return PAGE if size >= LARGE else _ALIGNMENT


def _aligned(size: int, to: int) -> int:
    return -(-size // to) * to
