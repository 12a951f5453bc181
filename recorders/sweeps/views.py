"""A sweep as a recording of one ensemble, which every figure and analysis of recordings takes."""

import json
import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from ...dynamics.errors import RecordingError
from ..block import Block
from ..channels import Channel, FeatureAxis, array_channel
from ..creation import create_file
from ..drain import with_features
from ..recording import Recording, open_recording
from ..store import Store
from .sweep_file import Sweep, is_sweep

# The order of the instances of an ensemble.
_GRID = ("density", "importance_extra")
_FEATURES: Mapping[str, FeatureAxis] = {"W": "columns", "W1": "columns", "W2": "rows"}
_PARAMETERS = (*_FEATURES, "b", "E", "U")


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

    Raises RecordingError for a sweep over other settings than densities and importances, which are no one ensemble.
    """
    others = [name for name in sweep.axes if name not in _GRID]
    if others:
        raise RecordingError(
            f"{sweep.path} is a sweep over {' and '.join(others)}, whose models are no one ensemble to draw; "
            "read it with xarray.open_dataset"
        )
    arrays = {name: _rows(sweep, sweep[name]) for name in sweep.names}
    instances = next(iter(arrays.values())).shape[1]
    steps = np.array([0]) if sweep.step is None else sweep.step
    channels = [_parameter(name, arrays[name]) for name in _PARAMETERS if name in arrays]
    measures = {f"{name}_of_instance": arrays[name] for name in arrays if name not in _PARAMETERS}
    channels += [array_channel("probes", name, values[0]) for name, values in measures.items()]
    block = Block(
        steps,
        np.zeros(len(steps)),
        {name: arrays[name].mean(axis=1) for name in arrays if name not in _PARAMETERS},
        {f"parameters/{name}": arrays[name] for name in _PARAMETERS if name in arrays}
        | {f"probes/{name}": values for name, values in measures.items()},
    )
    lists = {name: list(values) for name, values in sweep.axes.items()}
    entry = sweep.experiment | lists | {"repeat": sweep.repeat, "n_instances": instances}
    create_file(path, channels, block.scalars, config=json.dumps({"experiment": entry}), token=uuid.uuid4().hex)
    store = Store(path)
    store.append(with_features(block, channels)[0])
    store.close("complete", final_row=1)


def _rows(sweep: Sweep, values: np.ndarray) -> np.ndarray:
    """Return an array (*axes, repeat, [rows,] …) of the sweep as rows of instances, (rows, instances, …)."""
    if list(sweep.axes) == [*reversed(_GRID)]:
        values = values.swapaxes(0, 1)
    points = len(sweep.axes) + 1
    ensemble = values.reshape(-1, *values.shape[points:])
    return ensemble[None] if sweep.step is None else ensemble.swapaxes(0, 1)


def _parameter(name: str, values: np.ndarray) -> Channel:
    shape = values.shape[1:]
    axes = ("instances", *(f"{name}.axis{k}" for k in range(1, len(shape))))
    return Channel("parameters", name, shape, values.dtype, values.dtype, axes, _FEATURES.get(name))
