"""The ring: rows preallocated in memory, filled by the training, emptied by the writer."""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from .channels import Channel

NAN = float("nan")


@dataclass(frozen=True)
class Block:
    """Rows on their way to the file: every column has the same length, the rows of the block."""

    step: np.ndarray
    time: np.ndarray
    scalars: dict[str, np.ndarray]
    channels: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.step)


class Ring:
    """A fixed number of rows, column by column, so that the writer takes whole columns and the training copies bytes.

    Rows are numbered from 0 for ever; row k lies in slot k mod capacity. *head* counts the rows that are complete,
    *tail* those that the writer has taken. The training fills *slot*, that of row *head*, at leisure and then commits
    it. When there is no *room* the writer has to take rows first. Scalars, whose names come up as the training goes,
    have columns that are made when a name is first used.
    """

    def __init__(self, channels: Sequence[Channel], capacity: int):
        self.capacity = capacity
        self.head = 0
        self.tail = 0
        self.slot = 0
        self.room = capacity
        self.step = array("q", [0]) * capacity
        self.time = array("d", [0.0]) * capacity
        self.scalars: dict[str, array] = {}
        self.columns = {channel.path: np.empty((capacity, *channel.shape), channel.dtype) for channel in channels}

    def commit(self) -> None:
        """Declare the row in *slot* complete."""
        self.head += 1
        self.room -= 1
        self.slot = self.head % self.capacity

    def scalar(self, name: str) -> array:
        """Return the column of a scalar; NaN wherever nothing was put."""
        column = self.scalars.get(name)
        if column is None:
            column = self.scalars[name] = array("d", [NAN]) * self.capacity
        return column

    def blocks(self) -> Iterator[Block]:
        """Yield the complete rows that the writer has not taken, one block for each contiguous run of slots."""
        while self.tail < self.head:
            start = self.tail % self.capacity
            stop = min(start + self.head - self.tail, self.capacity)
            yield self._block(slice(start, stop))
            self._clear_scalars(start, stop)
            self.tail += stop - start
            self.room += stop - start

    def _block(self, rows: slice) -> Block:
        return Block(
            step=np.frombuffer(self.step, np.int64)[rows],
            time=np.frombuffer(self.time, np.float64)[rows],
            scalars={name: np.frombuffer(column, np.float64)[rows] for name, column in self.scalars.items()},
            channels={path: column[rows] for path, column in self.columns.items()},
        )

    def _clear_scalars(self, start: int, stop: int) -> None:
        for column in self.scalars.values():
            column[start:stop] = array("d", [NAN]) * (stop - start)
