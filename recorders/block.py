"""A block: rows on their way from the ring to the file, or to a reader."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Block:
    """Rows, column by column: every column has the same length, the rows of the block."""

    step: np.ndarray
    time: np.ndarray
    scalars: dict[str, np.ndarray]
    channels: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.step)

    def take(self, rows: slice | np.ndarray) -> "Block":
        """Return the block of these rows."""
        scalars = {name: column[rows] for name, column in self.scalars.items()}
        channels = {path: column[rows] for path, column in self.channels.items()}
        return Block(self.step[rows], self.time[rows], scalars, channels)
