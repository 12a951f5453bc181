"""The models of a sweep or of a recorded ensemble one after the other, and the settings of the points they are at."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product, repeat
from math import prod
from typing import Any, NamedTuple

import h5py
import numpy as np

from ...dynamics.ensembles.gathering import Model
from ...dynamics.errors import RecordingError
from ...dynamics.experiments.experiment import COLUMNS, ROWS
from ...dynamics.geometry.measures import dimensionality
from ..reading.matching import only_match
from ..reading.opening import catalogue_entry
from ..reading.recording import Recording
from ..reading.selection import LOSSES, select
from ..reading.series import Series
from .as_recording import FEATURES
from .sweep import Sweep

# So much of an array is read at a time.
_BYTES = 2**25
# The loss of each model; the population loss says more than that of the minibatches.


class Models(NamedTuple):
    """What is looked at: the settings of each point, *repeat* models at each, in order, and the steps of their rows."""

    parameter: str
    loss: str | None
    points: list[dict[str, Any]]
    repeat: int
    step: np.ndarray
    models: Iterator[Model]


def models_of(source: Sweep | Recording, parameter: str | None = None) -> Models:
    """Return the models of a sweep, or of a recorded ensemble, which are read while they are gone through.

    A few models are in memory at a time. parameter: whose features, by default the first that has any. Raises
    RecordingError for a recording that is of no ensemble or has no features, UnknownNameError for a parameter that has
    none.
    """
    return _of_sweep(source, parameter) if isinstance(source, Sweep) else _of_recording(source, parameter)


def features_of(sweep: Sweep) -> list[str]:
    """Return the names of the matrices of a sweep whose columns or rows are features."""
    return [name for name in FEATURES if name in sweep.names]


def _of_sweep(sweep: Sweep, parameter: str | None) -> Models:
    known = features_of(sweep)
    if not known:
        raise RecordingError(f"{sweep.path} has no weights with features")
    name = known[0] if parameter is None else only_match("parameter with features", parameter, known)
    loss = next((each for each in LOSSES if each in sweep.names), None)
    leading = len(sweep.axes) + 1
    matrices = _each(sweep.dataset(name), leading)
    losses = _each(sweep.dataset(loss), leading) if loss else repeat(None)
    points = points_of([{axis: values} for axis, values in sweep.axes.items()])
    settings = (point for point in points for _ in range(sweep.repeat))
    step = np.zeros(1) if sweep.step is None else sweep.step

    def models() -> Iterator[Model]:
        for at, W, values in zip(settings, matrices, losses, strict=False):
            whole = _features_as_columns(W.reshape(len(step), *W.shape[-2:]), FEATURES[name])
            # Behind the sizes of a smaller model stands what fills them up to those of the largest.
            rows = whole[:, : at.get("n_hidden"), : at.get("n_features")]
            # What has diverged has no dimensionality, and NaN says so.
            with np.errstate(all="ignore"):
                D = dimensionality(rows)
            yield Model(D, None if values is None else np.reshape(values, len(step)), rows[-1])

    return Models(name, loss, points, sweep.repeat, step, models())


def _each(data: h5py.Dataset, leading: int) -> Iterator[np.ndarray]:
    """Yield the entries along the first *leading* axes of an array, in order, from blocks of a limited size."""
    shape, entry = data.shape[:leading], data.shape[leading:]
    room = max(1, _BYTES // max(1, prod(entry) * data.dtype.itemsize))
    # The last axes that fit are read whole, and the one before in parts.
    cut = next((k for k in range(leading) if prod(shape[k + 1 :]) <= room), leading - 1)
    part = max(1, room // prod(shape[cut + 1 :]))
    for outer in np.ndindex(shape[:cut]):
        for start in range(0, shape[cut], part):
            yield from data[(*outer, slice(start, start + part))].reshape(-1, *entry)


def _features_as_columns(W: np.ndarray, axis: Any) -> np.ndarray:
    return W.swapaxes(-1, -2) if axis == "rows" else W


def _of_recording(recording: Recording, parameter: str | None) -> Models:
    selection = select(recording, parameter)
    name = selection.parameter
    D = recording.features[name]["dimensionality"]
    if len(D.shape) != 3:
        raise RecordingError(f"{recording.path} is of one model; record several with --set n_instances=20, or sweep")
    loss = next((each for each in LOSSES if f"{each}_of_instance" in recording.probes), None)
    losses = _instances(recording.probes[f"{loss}_of_instance"]) if loss else repeat(None)
    last = selection.matrices_at(-1)
    points = grid_of(recording)
    models = map(Model, _instances(D), losses, last)
    return Models(name, loss, points, len(last) // len(points), recording.step[:], models)


def _instances(series: Series) -> Iterator[np.ndarray]:
    """Yield the rows (T, ...) of each instance of an array (T, instances, ...), from blocks of a limited size."""
    rows, instances, *entry = series.shape
    part = max(1, _BYTES // (rows * prod(entry) * series.dtype.itemsize))
    for start in range(0, instances, part):
        yield from series[:, start : start + part].swapaxes(0, 1)


def grid_of(recording: Recording) -> list[dict[str, Any]]:
    """Return the settings of each point of the grid of instances."""
    if sweep := recording.config.get("sweep"):
        return points_of([{name: values} for name, values in sweep["axes"].items()])
    settings = catalogue_entry(recording.config)
    lists = {name: settings[name] for name in (*ROWS, *COLUMNS) if isinstance(settings.get(name), list)}
    # Settings along the rows of the grid go together, value by value.
    return points_of([{name: lists[name] for name in names if name in lists} for names in (ROWS, COLUMNS)])


def points_of(axes: Sequence[Mapping[str, Sequence[Any]]]) -> list[dict[str, Any]]:
    """Return the settings at each point of a grid; along each axis one or more settings vary together."""
    places = [[dict(zip(axis, values, strict=True)) for values in zip(*axis.values(), strict=True)] for axis in axes]
    grid = product(*(each or [{}] for each in places))
    return [{name: value for part in parts for name, value in part.items()} for parts in grid]
