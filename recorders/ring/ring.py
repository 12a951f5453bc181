"""The ring: rows in a memory-mapped file that outlives its process, filled by the training, emptied by a writer."""

import mmap
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from enum import IntEnum
from pathlib import Path
from struct import Struct
from typing import Self

import numpy as np

from ...dynamics.errors import RecordingError
from .channels import Block
from .layout import MAGIC, MESSAGE_ROOM, MESSAGE_START, NAMES_ROOM, NAMES_START, NAN, SCHEMA_START, WORDS, RowLayout
from .lock import Lock, allocate, claim, hold, is_at
from .order import KEEPS_ORDER, fence
from .paths import earlier_name

_WORD = Struct("<q")
# What a schema raises that is not one, or cut short; NumPy reads some names of dtypes as Python.
_NO_LAYOUT = (ArithmeticError, AttributeError, LookupError, RecursionError, SyntaxError, TypeError, ValueError)


class State(IntEnum):
    """What the training says of itself, to whoever writes its rows or reads what it left."""

    RECORDING = 0
    COMPLETE = 1
    ABORTED = 2


class Ring:
    """A fixed number of rows in a file that is mapped into memory.

    Rows are numbered from 0 for ever; row k lies in slot k mod capacity and is complete once its mark says k + 1,
    which is written last. *tail* counts the rows that are safe in the recording, so that their slots may be used
    again. The file's room on the disk is taken at the beginning: a disk that fills up later cannot harm it.
    """

    def __init__(self, path: Path, memory: mmap.mmap, layout: RowLayout, lock: Lock | None = None):
        self.path = path
        self.memory = memory
        self.layout = layout
        self.lock = lock
        # The hold on the recording's own file.
        self.claim: Lock | None = None
        self.header_bytes = self._word("header")
        self.row_bytes = layout.row_bytes
        self.capacity = self._word("capacity")
        self.rows = np.frombuffer(memory, layout.dtype(), self.capacity, self.header_bytes)

    @classmethod
    def create(cls, path: Path, layout: RowLayout, capacity: int, scalars: Sequence[str] = ()) -> Self:
        """Make a ring that publish() puts at *path*; raises RecordingError where there is no room for it."""
        size = layout.header_bytes + capacity * layout.row_bytes
        lock = hold(_draft(path))
        try:
            # Nobody else has mapped it, whom this would kill by a signal.
            os.ftruncate(lock.descriptor, 0)
            allocate(lock.descriptor, size)
            # Of a file of its own: a mapping keeps what it is of open, in forked children too, and with it the lock.
            with _draft(path).open("r+b") as file:
                memory = mmap.mmap(file.fileno(), size)
            schema = layout.schema()
            memory[SCHEMA_START : SCHEMA_START + len(schema)] = schema
            for word, value in (("header", layout.header_bytes), ("capacity", capacity), ("schema", len(schema))):
                _WORD.pack_into(memory, WORDS[word], value)
            memory[: len(MAGIC)] = MAGIC
            ring = cls(path, memory, layout, lock)
            ring.rows["scalars"] = NAN
            ring.add_names(scalars)
        except OSError as error:
            lock.remove(_draft(path))
            raise RecordingError(f"{path} cannot be made ({size:,} bytes): {error.strerror or error}") from error
        return ring

    @classmethod
    def open(cls, path: Path, *, writable: bool = False) -> Self | None:
        """Open the ring at *path*; None where there is none, or no whole one."""
        try:
            with path.open("r+b" if writable else "rb") as file:
                memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ)
        except (FileNotFoundError, ValueError):
            return None
        if len(memory) < SCHEMA_START or memory[: len(MAGIC)] != MAGIC:
            return None
        length = _WORD.unpack_from(memory, WORDS["schema"])[0]
        try:
            ring = cls(path, memory, RowLayout.from_schema(memory[SCHEMA_START : SCHEMA_START + length]))
            is_whole = len(memory) == ring.header_bytes + ring.capacity * ring.row_bytes and ring.capacity > 0
            return ring if is_whole and ring.tail >= 0 and ring.state in State else None
        except _NO_LAYOUT:
            return None

    @property
    def tail(self) -> int:
        """How many rows are safe in the recording."""
        return self._word("tail")

    @tail.setter
    def tail(self, rows: int) -> None:
        self._set_word("tail", rows)

    @property
    def state(self) -> State:
        """What the training says of itself."""
        return State(self._word("state"))

    @state.setter
    def state(self, state: State) -> None:
        self._set_word("state", state)

    @property
    def ending(self) -> dict[str, float]:
        """What is noted in a recording that ends: seconds the training waited for the writer, and rows left out.

        And whether the last row is the final state, whose step has not been taken; a ring without rows says nothing of
        that, because the last row is of an earlier part of the recording then.
        """
        noted = {"waited": self._word("waited") / 1e6, "skipped_rows": self._word("skipped")}
        rows = self.complete
        return {"final_row": int(rows == self._word("final")), **noted} if rows else noted

    @property
    def filed(self) -> int:
        """The step of the last row that went into the recording, -1 where none did or nobody noted it."""
        return self._word("filed") - 1

    @filed.setter
    def filed(self, step: int) -> None:
        self._set_word("filed", step + 1)

    def belong_to(self, recording: Path) -> None:
        """Be the ring of the file at *recording*, which is the training's as long as it holds the ring.

        Raises OutputExistsError where another training has it.
        """
        self.claim = claim(recording)
        self._set_word("inode", recording.stat().st_ino)

    def is_of(self, recording: Path) -> bool:
        """Whether the file at *recording*, which lies elsewhere or has another name, is the one that the ring is of.

        It is if it is the very file for which the ring was made, or a hard link to the one beside the ring. Anything
        else is a copy, which is not what the training went on with.
        """
        with suppress(OSError):
            return recording.stat().st_ino == self._word("inode") or self.path.with_suffix("").samefile(recording)
        return False

    def is_stray(self, recording: Path) -> bool:
        """Whether it has rows that are nowhere else, and the file at *recording*, which it lies beside, is another one.

        Its own was moved away, or has another name besides, and looks for it here.
        """
        if self.complete == self.tail or not recording.exists():
            return self.complete > self.tail
        status = recording.stat()
        return status.st_nlink > 1 + earlier_name(recording).exists() or self._word("inode") not in (0, status.st_ino)

    def put_aside(self) -> Path:
        """Make way for the ring of another recording, and return where this one is found from now on; see aside()."""
        return self.path.replace(aside(self.path, self.layout.token))

    def announce_final(self, row: int) -> None:
        """Say that row *row*, once it is complete, is the final state."""
        self._set_word("final", row + 1)

    @property
    def final(self) -> int | None:
        """Which row is the final state, None as long as it is not announced."""
        return self._word("final") - 1 if self._word("final") else None

    def note(self, *, waited: float, skipped: int) -> None:
        """Note how the recording went."""
        self._set_word("waited", int(waited * 1e6))
        self._set_word("skipped", skipped)

    @property
    def message(self) -> str:
        """Why the writer ended, if it did before its time."""
        return self._text(MESSAGE_START, "message")

    @message.setter
    def message(self, text: str) -> None:
        encoded = text.encode(errors="replace")[:MESSAGE_ROOM]
        self.memory[MESSAGE_START : MESSAGE_START + len(encoded)] = encoded
        self._set_word("message", len(encoded))

    @property
    def names(self) -> list[str]:
        """The scalars, in the order in which they came up."""
        text = self._text(NAMES_START, "names")
        return text.split("\0") if text else []

    def add_names(self, names: Sequence[str]) -> bool:
        """Add scalars, whose columns hold NaN so far; False where there is no room for them."""
        every = [*self.names, *names]
        text = "\0".join(every).encode()
        if len(every) > self.layout.room or len(text) > NAMES_ROOM:
            return False
        # The names that are there do not change, so that a reader between the two writes sees those.
        self.memory[NAMES_START : NAMES_START + len(text)] = text
        self._set_word("names", len(text))
        return True

    @property
    def complete(self) -> int:
        """How many rows are complete."""
        tail = self.tail
        return tail + self.complete_after(tail)

    def complete_after(self, row: int) -> int:
        """Return how many complete rows there are from *row* on."""
        wanted = np.arange(row, row + self.capacity)
        is_complete = self.rows["mark"][wanted % self.capacity] == wanted + 1
        if not KEEPS_ORDER:
            # The rows are read after their marks.
            fence()
        return self.capacity if is_complete.all() else int(np.argmin(is_complete))

    def blocks(self, start: int, stop: int) -> Iterator[Block]:
        """Yield the rows from *start* to *stop*, one block for each contiguous run of slots; nothing is copied."""
        while start < stop:
            first = start % self.capacity
            count = min(stop - start, self.capacity - first)
            yield self.block(self.rows[first : first + count])
            start += count

    def block(self, rows: np.ndarray) -> Block:
        """Return rows of the ring as a block."""
        names = self.names
        # The last name lies first.
        scalars = {name: rows["scalars"][:, -1 - k] for k, name in enumerate(names)}
        channels = {channel.path: rows[channel.path] for channel in self.layout.channels}
        return Block(rows["step"], rows["time"], scalars, channels)

    def publish(self) -> None:
        """Put the ring where readers look for it, in the place of what lies there."""
        _draft(self.path).replace(self.path)

    def discard(self) -> None:
        """Delete a ring whose recording did not begin."""
        for place in (_draft(self.path), self.path):
            if self.lock is not None and is_at(place, self.lock.descriptor):
                self.lock.remove(place)
        self.release()

    def release(self) -> None:
        """Let go of the ring, which stays for readers: nobody fills it any more."""
        for lock in (self.lock, self.claim):
            if lock is not None:
                lock.release()

    def remove(self) -> None:
        """Delete the file, unless another ring lies there by now, and let go of it after that."""
        if os.name == "nt":
            self.release()
        self._unlink()
        self.release()

    def _unlink(self) -> None:
        try:
            with self.path.open("rb") as file:
                mine = (
                    os.read(file.fileno(), self.header_bytes)[SCHEMA_START:]
                    == self.memory[SCHEMA_START : self.header_bytes]
                )
        except FileNotFoundError:
            return
        if mine:
            self.path.unlink(missing_ok=True)

    def _word(self, name: str) -> int:
        return _WORD.unpack_from(self.memory, WORDS[name])[0]

    def _set_word(self, name: str, value: int) -> None:
        _WORD.pack_into(self.memory, WORDS[name], value)

    def _text(self, start: int, word: str) -> str:
        return self.memory[start : start + self._word(word)].decode(errors="replace")


def aside(place: Path, token: str) -> Path:
    """Return where the ring of the recording *token* lies whose *place* another one has taken."""
    return place.with_name(f"{place.name}.{token}")


def _draft(path: Path) -> Path:
    return path.with_name(f"{path.name}.new")
