"""Where a training diverged: the first row that holds a number which is not finite."""

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ..file.feature_major import is_feature_major
from ..ring.layout import is_absent
from .members import Member
from .series import Series

if TYPE_CHECKING:
    from .snapshot import Snapshot

# So much of an array is in memory at a time, unless one row is more: a slab of a compact recording's chunks.
_MOST_BYTES = 2**27
# An array larger than that is not read as a whole: what is looked at is so many of its rows.
_MOST_SEARCHED, _LOOKS = 2**30, 65
# A scalar's last number is sought from the end, in so many rows at a time.
_TAIL = 4096


class Recorded(Protocol):
    """What is asked of a recording here."""

    @property
    def scalars(self) -> Mapping[str, Series]:
        """The scalars by name."""
        ...

    @property
    def parameters(self) -> Mapping[str, Series]:
        """The parameters by name."""
        ...

    @property
    def features(self) -> Mapping[str, Mapping[str, Series]]:
        """What is derived of the parameters, by their names."""
        ...

    @property
    def summaries(self) -> Mapping[str, Mapping[str, Series]]:
        """What was kept of parameters that were too large to keep, by their names."""
        ...

    @property
    def diverged_at(self) -> int | None:
        """The first step with a number that is not finite."""
        ...

    def __len__(self) -> int: ...


class Search:
    """Finds the first row of one recording in which the loss or a parameter is not finite.

    What lies in the file is looked at once, however often the recording is asked while it grows.
    """

    def __init__(self) -> None:
        self._token: object = None
        self._looked = 0
        self._found: int | None = None

    def row(self, recording: Recorded, snapshot: "Snapshot") -> int | None:
        """Return that row, None where there is none.

        In the copy of a sweep NaN also stands where no model was trained, and which ones diverged is told by points.
        """
        if "sweep" in snapshot.file().attrs:
            return None
        # The rows that are not in the file yet, and the last that is, may still be replaced or left out.
        settled = max(0, min(snapshot.filed, len(recording)) - 1)
        if snapshot.token != self._token or settled < self._looked:
            # Another recording lies at the path, or the training has taken steps back.
            self._token, self._looked, self._found = snapshot.token, 0, None
        if self._found is not None:
            return self._found
        found = _first_row(recording, self._looked, len(recording))
        self._looked = settled if found is None else min(settled, found)
        self._found = found if found is not None and found < settled else None
        return found


def diverged_to_the_end(recording: Recorded) -> int | None:
    """Return recording.diverged_at where the recording ends so; one that ends well is not searched."""
    last = last_logged(recording.scalars["loss"]) if "loss" in recording.scalars else None
    return recording.diverged_at if ends_diverged(recording, last) else None


def ends_diverged(recording: Recorded, last_loss: float | None, *, most_bytes: float = math.inf) -> bool:
    """Return whether the last loss that was logged, or a parameter in the last row, is not finite.

    It reads one row, of parameters of *most_bytes* at most, where a search reads every row.
    """
    if not len(recording):
        return False
    if last_loss is not None and not math.isfinite(last_loss):
        return True
    asked = [each for each in _floats(recording).values() if _row_bytes(each) <= most_bytes]
    return any(not _all_finite(series[-1]) for series in asked)


def last_logged(series: Series, *, within: int | None = None) -> float | None:
    """Return the last number of a scalar that was logged, finite or not; None where none was *within* the last rows."""
    marks, rows = _marks_absence(series), len(series)
    for stop in range(rows, max(0, rows - (within or rows)), -_TAIL):
        values = series[max(0, stop - _TAIL) : stop]
        if (known := values[~(is_absent(values) if marks else np.isnan(values))]).size:
            return float(known[-1])
    return None


def first_row_of_member(series: Series, instance: int) -> int | None:
    """Return the first row in which a member of an ensemble is not finite in *series*, (T, instances, …)."""
    return _first_in_array(Member(series, instance), 0, len(series))


def _first_row(recording: Recorded, start: int, stop: int) -> int | None:
    """Return the first of the rows from *start* on in which the loss or a parameter is not finite."""
    if start >= stop:
        return None
    loss = recording.scalars["loss"][:stop] if "loss" in recording.scalars else np.empty(0)
    marks = bool(loss.size) and _marks_absence(recording.scalars["loss"])
    bad = np.isinf(loss) | (np.isnan(loss) & ~is_absent(loss) & marks)
    bad[:start] = False
    end = in_losses = _first(bad, stop)
    for name, series in _floats(recording).items():
        norms = recording.features[name].get("norm") if name in recording.features else None
        is_large = norms is None and (end - start) * _row_bytes(series) > _MOST_SEARCHED
        search = _first_by_looks if is_large and not is_feature_major(series.chunks) else _first_in_array
        # In rows before that a parameter was not recorded yet, since it did not train.
        begin = max(start, int(series.attrs.get("first_row", 0)))
        found = search(series, begin, end, norms) if begin < end else None
        end = end if found is None else found
    if end == stop:
        return None
    return _stepped_back(loss, end) if end < in_losses else end


def _stepped_back(loss: np.ndarray, row: int) -> int:
    """Return the row in which the loss was NaN already that made the parameters of *row* so.

    An older recording does not tell a loss of NaN from one that was not logged, and some trainings log no loss of NaN:
    one that was logged at every step up to then was not finite at this one.
    """
    unknown = np.flatnonzero(np.isnan(loss[:row]))
    return row - 1 if row > 1 and unknown.tolist() == [row - 1] else row


def _first_in_array(series: Series | Member, start: int, stop: int, norms: Series | None = None) -> int | None:
    """Return the first row from *start* to *stop* with a number that is not finite, reading a few rows at a time.

    A feature whose norm is finite is so itself; norms are fewer numbers than the matrix. One that is not may come from
    numbers too large for single precision, or from a row that has none yet.
    """
    for first, values in _slabs(series if norms is None else norms, start, stop):
        if _all_finite(values):
            continue
        for row in (np.flatnonzero(~_finite_rows(values)) + first).tolist():
            if norms is None or not _all_finite(series[row]):
                return row
    return None


def _first_by_looks(series: Series, start: int, stop: int, _norms: Series | None = None) -> int | None:
    """Return what _first_in_array() does, of some rows, and then by halves: what is not finite is taken to stay so."""
    rows = np.unique(np.linspace(start, stop - 1, _LOOKS).astype(int)).tolist()
    bad = next((row for row in rows if not _all_finite(series[row])), None)
    if bad is None:
        return None
    good = max((row for row in rows if row < bad), default=start - 1)
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if _all_finite(series[middle]) else (good, middle)
    return bad


def _slabs(series: Series | Member, start: int, stop: int) -> Iterator[tuple[int, np.ndarray]]:
    """Give the rows from *start* to *stop*, in whole chunks where they have room, and where each begins."""
    chunk = (series.chunks or (1,))[0]
    height = max(1, _MOST_BYTES // max(1, _row_bytes(series)))
    height = height // chunk * chunk or height
    for first in range(start - start % height, stop, height):
        begin = max(first, start)
        yield begin, series[begin : min(first + height, stop)]


def _row_bytes(series: Series | Member) -> int:
    return math.prod(series.shape[1:]) * series.dtype.itemsize


def _all_finite(values: np.ndarray) -> bool:
    """Return whether all numbers are finite: their sum is, or else each is asked, since a sum may be too large."""
    with np.errstate(all="ignore"):
        return bool(np.isfinite(np.sum(values))) or bool(np.isfinite(values).all())


def _finite_rows(values: np.ndarray) -> np.ndarray:
    return np.asarray(np.isfinite(values).reshape(len(values), -1).all(axis=1))


def _first(found: np.ndarray, otherwise: int) -> int:
    return int(np.argmax(found)) if found.any() else otherwise


def _floats(recording: Recorded) -> dict[str, Series]:
    norms = {f"summaries/{name}": quantities["norm"] for name, quantities in recording.summaries.items()}
    return {name: series for name, series in recording.parameters.items() if series.dtype.kind in "fc"} | norms


def _marks_absence(series: Series) -> bool:
    """Return whether a number that was not logged is told from one that was NaN."""
    return bool(is_absent(np.asarray(series.fill_value, np.float64)))
