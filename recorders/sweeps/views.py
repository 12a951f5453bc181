"""A sweep as a recording of one ensemble, which every figure and analysis of recordings takes."""

import json
import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from ..block import Block
from ..channels import Channel, FeatureAxis, array_channel
from ..creation import create_file
from ..drain import with_features
from ..recording import Recording, open_recording
from ..store import Store
from .sweep_file import Sweep, is_sweep

# The order of the instances of an ensemble.
_GRID = ("density", "importance_extra")
# Whose columns or rows are features; the first that a sweep has is the first of its recording.
FEATURES: Mapping[str, FeatureAxis] = {"W": "columns", "W1": "columns", "W2": "rows"}
_PARAMETERS = (*FEATURES, "b", "E", "U")
# So much of the arrays is read at a time.
_BYTES = 2**26


@contextmanager
def recording_of(path: str | os.PathLike[str]) -> Iterator[Recording]:
    """Open a recording, or the result of a sweep as the recording of one ensemble; it lasts as long as the context.

    Raises what open_recording() and write_recording() raise.
    """
    if not is_sweep(path):
        with open_recording(path) as recording:
            yield recording
        return
    with TemporaryDirectory() as folder, Sweep(path) as sweep:
        # Under the name of the sweep, which figures and messages show.
        file = Path(folder) / sweep.path.name
        write_recording(sweep, file)
        with open_recording(file) as recording:
            yield recording


def write_recording(sweep: Sweep, path: Path) -> None:
    """Write the models of a sweep as a recording of one ensemble, with one row, the last, or those of the trajectories.

    A few rows are in memory at a time. A sweep over other settings than densities and importances is no ensemble of the
    catalogue: its recording holds no experiment, but the axes, for those that know what to make of them. Raises
    RecordingError where a file cannot be written.
    """
    steps = np.zeros(1, dtype=np.int64) if sweep.step is None else sweep.step
    each = sum(sweep.dataset(name).nbytes for name in sweep.names) // len(steps)
    part = max(1, _BYTES // max(1, each))
    blocks = (_block(sweep, steps, slice(start, start + part)) for start in range(0, len(steps), part))
    first = next(blocks)
    channels = [_channel(name, values[0]) for name, values in first.channels.items()]
    create_file(path, channels, first.scalars, config=json.dumps(_config(sweep)), token=uuid.uuid4().hex)
    store = Store(path)
    for block in chain([first], blocks):
        store.append(with_features(block, channels)[0])
    store.close("complete", final_row=1)


def _config(sweep: Sweep) -> dict[str, Any]:
    axes = {name: list(values) for name, values in sweep.axes.items()}
    if set(axes) - set(_GRID):
        return {"sweep": {"experiment": sweep.experiment, "axes": axes, "repeat": sweep.repeat}}
    models = prod(map(len, axes.values())) * sweep.repeat
    return {"experiment": sweep.experiment | axes | {"repeat": sweep.repeat, "n_instances": models}}


def _block(sweep: Sweep, steps: np.ndarray, part: slice) -> Block:
    """Return some rows of all models: parameters, and what is measured of each model as a probe and as their mean."""
    arrays = {name: _rows(sweep, name, part) for name in sweep.names}
    channels, scalars = {}, {}
    for name, values in arrays.items():
        if name in _PARAMETERS:
            channels[f"parameters/{name}"] = values
        else:
            channels[f"probes/{name}_of_instance"] = values
            scalars[name] = values.mean(axis=1)
    return Block(steps[part], np.zeros(len(steps[part])), scalars, channels)


def _rows(sweep: Sweep, name: str, part: slice) -> np.ndarray:
    """Return rows of an array (*axes, repeat, [rows,] …) of the sweep, (rows, instances, …)."""
    points = len(sweep.axes) + 1
    data = sweep.dataset(name)
    values = data[()] if sweep.step is None else data[(*[slice(None)] * points, part)]
    if list(sweep.axes) == [*reversed(_GRID)]:
        values = values.swapaxes(0, 1)
    ensemble = values.reshape(-1, *values.shape[points:])
    return ensemble[None] if sweep.step is None else ensemble.swapaxes(0, 1)


def _channel(path: str, row: np.ndarray) -> Channel:
    group, name = path.split("/")
    if group == "probes":
        return array_channel("probes", name, row)
    axes = ("instances", *(f"{name}.axis{k}" for k in range(1, row.ndim)))
    features = FEATURES.get(name)
    attributes = {} if features is None else {"features": features}
    return Channel("parameters", name, row.shape, row.dtype, row.dtype, axes, features, attributes)
