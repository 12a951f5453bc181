"""The recorded path of a training: straight from each row to the next."""

from collections.abc import Mapping
from typing import Protocol, Self

import numpy as np


class Rows(Protocol):
    """An array whose first axis are rows, in memory or read as it is sliced."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of rows, then the shape of one."""
        ...

    def __getitem__(self, rows: slice, /) -> np.ndarray:
        """Return some of the rows."""
        ...


class RecordedPath:
    """The broken line through rows of parameters: row k is at position k, halfway to the next one is k + 1/2.

    Each of *parameters* is (T, *shape), T >= 2 for all of them; read as it is sliced.
    Raises ValueError on other shapes.
    """

    def __init__(self, parameters: Mapping[str, Rows]):
        counts = {name: values.shape[0] if values.shape else 0 for name, values in parameters.items()}
        if not counts or min(counts.values()) < 2 or len(set(counts.values())) > 1:
            raise ValueError(
                f"parameters must be arrays (T, ...) with the same T >= 2 rows, got {counts or 'none'} rows"
            )
        self._parameters = parameters
        self.segments = min(counts.values()) - 1
        self.shapes = {name: tuple(values.shape[1:]) for name, values in parameters.items()}

    def between(self, first: int, last: int) -> "Stretch":
        """Return the part from row *first* to row *last*, both included."""
        return Stretch.of({name: values[first : last + 1] for name, values in self._parameters.items()}, first)


class Stretch:
    """Some rows of a path in memory, in double precision."""

    def __init__(self, rows: Mapping[str, np.ndarray], first: int):
        self._rows = rows
        self._moves = {name: np.diff(values, axis=0) for name, values in rows.items()}
        self._first = first

    @classmethod
    def of(cls, rows: Mapping[str, np.ndarray], first: int) -> Self:
        """Return rows of any precision, of which the first is at position *first*."""
        return cls({name: np.asarray(values, dtype=np.float64) for name, values in rows.items()}, first)

    def at(self, positions: np.ndarray) -> dict[str, np.ndarray]:
        """Return the parameters at *positions* (P,), each (P, *shape)."""
        row = np.minimum(positions.astype(int) - self._first, len(self) - 1)
        beyond = positions - self._first - row
        return {
            name: values[row] + _along(beyond, values) * self._moves[name][row] for name, values in self._rows.items()
        }

    def moves(self, positions: np.ndarray) -> dict[str, np.ndarray]:
        """Return by what the parameters move from row to row where *positions* are, each (P, *shape)."""
        return {name: moves[positions.astype(int) - self._first] for name, moves in self._moves.items()}

    def __len__(self) -> int:
        return len(next(iter(self._moves.values())))


def _along(factors: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return a factor for each row, in a shape that multiplies rows of *values*."""
    return factors.reshape(-1, *[1] * (values.ndim - 1))
