"""The summaries of a recording whose parameters were too large to keep, and what their sketches say of the way."""

import json
from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from ...dynamics.geometry.sketches import (
    Components,
    Sketched,
    sketched_components,
    sketched_cosines,
    sketched_norms,
)
from .series import Named, Series

# Sketches are read so many bytes at a time; principal components are those of so many rows at most.
_MOST_BYTES, _MOST_ROWS = 2**26, 512


class Summaries(Named):
    """For each summarised matrix what was kept of it, by name: norm, gradient_norm, update, sketch, each (T, …).

    Parameters that are no matrices are one entry, "others", where there are several. Matrices have singular_values,
    effective_rank and dimensionality too, NaN in rows in which they were not measured.
    The methods say what the sketches tell, of all parameters together or of one.
    """

    def __init__(self, quantities: Mapping[str, Mapping[str, Series]]):
        super().__init__("summaries", {name: Named(f"summaries/{name}", each) for name, each in quantities.items()})

    def shape_of(self, name: str) -> tuple[int, ...]:
        """Return the shape of a parameter."""
        return tuple(json.loads(self[name]["sketch"].attrs["shape"]))

    @property
    def parameter_count(self) -> int:
        """How many parameters of the model there are in them."""
        return sum(len(json.loads(each["sketch"].attrs["parameters"])) for each in self.values())

    @property
    def aliases(self) -> dict[str, list[str]]:
        """The further names of parameters, as tied weights have them."""
        noted = [json.loads(each["sketch"].attrs.get("aliases", "{}")) for each in self.values()]
        return {name: further for each in noted for name, further in each.items()}

    def distances(self, name: str | None = None, *, row: int = 0) -> Sketched:
        """Return how far the parameters are from those of a row, |θ_t - θ_row|, (T,), with its standard error."""
        start = self._sketches(name, row, row + 1)
        return self._norms(name, lambda first, stop: self._sketches(name, first, stop) - start, self._rows)

    def updates(self, name: str | None = None) -> Sketched:
        """Return how far each row moved, |θ_{t+1} - θ_t|, (T - 1,), with its standard error."""
        return self._norms(name, lambda first, stop: self._motions(name, first, stop), max(0, self._rows - 1))

    def updates_over_weights(self, name: str | None = None) -> Sketched:
        """Return how large each motion is beside what moved, |θ_{t+1} - θ_t| / |θ_t|, (T - 1,), with its error."""
        moved = self.updates(name)
        size = np.sqrt(sum(np.square(self[each]["norm"][:-1], dtype=np.float64) for each in self._names(name)))
        with np.errstate(divide="ignore", invalid="ignore"):
            return Sketched(moved.value / size, moved.error / size)

    def cosines(self, name: str | None = None) -> Sketched:
        """Return the cosine between each motion and the next, (T - 2,), with its standard error; NaN beside none."""
        values, errors = np.empty((2, max(0, self._rows - 2)))
        for first, stop in self._pieces(name, len(values)):
            moved = self._motions(name, first, stop + 1)
            values[first:stop], errors[first:stop] = sketched_cosines(moved[:-1], moved[1:], self.parts(name))
        return Sketched(values, errors)

    def components(self, name: str | None = None, *, count: int = 3) -> tuple[NDArray[np.int64], Components]:
        """Return the principal components of the way, and of which rows they are: at most 512, evenly spaced."""
        rows = np.unique(np.linspace(0, self._rows - 1, min(self._rows, _MOST_ROWS)).astype(np.int64))
        S = np.concatenate([self[each]["sketch"][rows] for each in self._names(name)], axis=1)
        return rows, sketched_components(S, self.parts(name), count=count)

    def parts(self, name: str | None = None) -> list[tuple[int, int]]:
        """Return for each parameter how many columns its sketch has, and in how many buckets it lies, 0 for a copy."""
        sketches = [self[each]["sketch"] for each in self._names(name)]
        return [(each.shape[1], int(each.attrs["buckets"])) for each in sketches]

    @property
    def _rows(self) -> int:
        return len(next(iter(self.values()))["sketch"])

    def _names(self, name: str | None) -> list[str]:
        return [*self] if name is None else [name]

    def _sketches(self, name: str | None, first: int, stop: int) -> NDArray[np.float64]:
        return np.concatenate([self[each]["sketch"][first:stop].astype(np.float64) for each in self._names(name)], 1)

    def _motions(self, name: str | None, first: int, stop: int) -> NDArray[np.float64]:
        return np.diff(self._sketches(name, first, stop + 1), axis=0)

    def _norms(self, name: str | None, read: Callable[[int, int], NDArray[np.float64]], count: int) -> Sketched:
        values, errors = np.empty((2, count))
        for first, stop in self._pieces(name, count):
            values[first:stop], errors[first:stop] = sketched_norms(read(first, stop), self.parts(name))
        return Sketched(values, errors)

    def _pieces(self, name: str | None, count: int) -> Iterator[tuple[int, int]]:
        height = max(1, _MOST_BYTES // (8 * sum(columns for columns, _ in self.parts(name))))
        for first in range(0, count, height):
            yield first, min(count, first + height)
