"""A sweep as a recording of one ensemble, which every figure and analysis of recordings takes."""

import json
import os
import shutil
import signal
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import chain
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

import numpy as np

from ...dynamics.errors import RecordingError
from ...dynamics.training.at_rest import REST
from ..file.creation import create_file
from ..file.hdf5 import is_sweep
from ..file.store import Store
from ..reading.recording import Recording, open_recording
from ..ring.channels import Block, Channel, FeatureAxis, array_channel
from ..ring.derived import with_features
from ..text import readable
from .sweep import Sweep

# The order of the instances of an ensemble.
_GRID = ("density", "importance_extra")
# Whose columns or rows are features; the first that a sweep has is the first of its recording.
FEATURES: Mapping[str, FeatureAxis] = {"W": "columns", "W1": "columns", "W2": "rows"}
_PARAMETERS = (*FEATURES, "b", "E", "U")
# So much of the arrays is read at a time.
_BYTES = 2**26
# Room for what HDF5 notes of chunks, and of the file.
_OVERHEAD, _NOTES = 1.05, 2**20
# dimensionality, norm and interference of each feature, in single precision.
_BYTES_PER_FEATURE = 12

# What shows on a terminal how far something is, such as tqdm.
Progress = Callable[[Iterable[int]], Iterable[int]]


@contextmanager
def recording_of(
    path: str | os.PathLike[str], *, moving: bool = False, progress: Progress = iter
) -> Iterator[Recording]:
    """Open a recording, or the result of a sweep as the recording of one ensemble; it lasts as long as the context.

    A sweep is copied for that, into the folder for temporary files, in blocks that *progress* wraps. Nothing of the
    copy stays when the context or the process ends, except after a kill -9 while it was being written. Raises what
    open_recording() and write_recording() raise, and RecordingError where the copy has no room, or the recording is to
    be *moving* and the sweep kept no trajectories.
    """
    if not is_sweep(path):
        with open_recording(path) as recording:
            yield recording
        return
    with Sweep(path) as sweep:
        if moving and sweep.step is None:
            raise RecordingError(
                f"{path} holds how its models end, and nothing moves; dyn plot draws it, and dyn sweep --record keeps "
                "trajectories"
            )
        with _copy_of(sweep, progress) as recording:
            yield recording


@contextmanager
def _copy_of(sweep: Sweep, progress: Progress) -> Iterator[Recording]:
    with ExitStack() as stack:
        with _ended_by_exceptions():
            folder = TemporaryDirectory(prefix="dyn-")
            file = Path(stack.enter_context(folder), sweep.path.name)
            _check_room(sweep, file.parent)
            write_recording(sweep, file, progress=progress)
            recording = stack.enter_context(open_recording(file))
            # Figures and messages name the file that the user knows.
            recording.path = sweep.path
            # Without a name it vanishes with this process, however that ends; on Windows an open file has to keep it.
            if os.name == "posix":
                folder.cleanup()
        yield recording


@contextmanager
def _ended_by_exceptions() -> Iterator[None]:
    """Let signals that would end the process raise SystemExit, as Ctrl-C raises, so that what is temporary goes too."""

    def end(number: int, _frame: object) -> NoReturn:
        raise SystemExit(128 + number)

    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():
        numbers = []
    # A program that has its own way with a signal keeps it.
    ours = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    try:
        for number in ours:
            signal.signal(number, end)
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def _check_room(sweep: Sweep, folder: Path) -> None:
    """Raise RecordingError unless *folder* has room for the recording of a sweep."""
    needed, free = room_for(sweep), shutil.disk_usage(folder).free
    if needed > free:
        raise RecordingError(
            f"{sweep.path} is copied to be drawn, which takes up to {readable(needed)}, and {folder.parent} has "
            f"{readable(free)} free; make room, or name a folder on another disk by TMPDIR"
        )


def room_for(sweep: Sweep) -> float:
    """Return how many bytes the recording of a sweep takes at most."""
    arrays = {name: sweep.dataset(name) for name in _names(sweep)}
    needed = sum(array.nbytes for array in arrays.values())
    for name, axis in FEATURES.items():
        if name in arrays:
            rows, columns = arrays[name].shape[-2:]
            needed += _BYTES_PER_FEATURE * prod(arrays[name].shape) // (rows if axis == "columns" else columns)
    return _OVERHEAD * needed + _NOTES


def write_recording(sweep: Sweep, path: Path, *, progress: Progress = iter) -> None:
    """Write the models of a sweep as a recording of one ensemble, with one row, the last, or those of the trajectories.

    A few rows are in memory at a time, in blocks that *progress* wraps. A sweep over other settings than densities and
    importances is no ensemble of the catalogue: its recording holds no experiment, but the axes, for those that know
    what to make of them. Hidden dimensions that smaller models lack are 0 in their matrices, which changes nothing of
    their features. Raises RecordingError where a file cannot be written.
    """
    steps = np.zeros(1, dtype=np.int64) if sweep.step is None else sweep.step
    each = sum(sweep.dataset(name).nbytes for name in _names(sweep)) // len(steps)
    part = max(1, _BYTES // max(1, each))
    starts = progress(range(0, len(steps), part))
    blocks = (_block(sweep, steps, slice(start, start + part)) for start in starts)
    first = next(blocks)
    channels = [_channel(name, values[0]) for name, values in first.channels.items()]
    token, attributes = uuid.uuid4().hex, {"sweep": sweep.path.name}
    create_file(path, channels, first.scalars, config=json.dumps(_config(sweep)), token=token, attributes=attributes)
    store = Store(path)
    for block in chain([first], blocks):
        store.append(with_features(block, channels)[0])
    store.close("complete", final_row=1)


def _names(sweep: Sweep) -> list[str]:
    """Return the arrays that are of a training; where its models would come to rest is none of it."""
    return [name for name in sweep.names if name not in REST]


def _config(sweep: Sweep) -> dict[str, Any]:
    axes = {name: list(values) for name, values in sweep.axes.items()}
    if set(axes) - set(_GRID):
        return {"sweep": {"experiment": sweep.experiment, "axes": axes, "repeat": sweep.repeat}}
    models = prod(map(len, axes.values())) * sweep.repeat
    return {"experiment": sweep.experiment | axes | {"repeat": sweep.repeat, "n_instances": models}}


def _block(sweep: Sweep, steps: np.ndarray, part: slice) -> Block:
    """Return some rows of all models: parameters, and what is measured of each model as a probe and as their mean."""
    arrays = {name: _rows(sweep, name, part) for name in _names(sweep)}
    channels, scalars = {}, {}
    for name, values in arrays.items():
        if name in _PARAMETERS:
            channels[f"parameters/{name}"] = _filled(sweep, name, values)
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


def _filled(sweep: Sweep, name: str, values: np.ndarray) -> np.ndarray:
    """Return rows (rows, instances, …) of a parameter with 0 in place of what pads the hidden dimensions of models."""
    if name not in FEATURES or "n_hidden" not in sweep.axes:
        return values
    shape = (*map(len, sweep.axes.values()), sweep.repeat)
    axis = list(sweep.axes).index("n_hidden")
    sizes = np.expand_dims(np.array(sweep.axes["n_hidden"]), [k for k in range(len(shape)) if k != axis])
    hidden = values.shape[-2 if FEATURES[name] == "columns" else -1]
    padding = np.arange(hidden) >= np.broadcast_to(sizes, shape).reshape(-1, 1)
    padding = padding[..., None] if FEATURES[name] == "columns" else padding[:, None]
    return np.where(padding, values.dtype.type(0), values)


def _channel(path: str, row: np.ndarray) -> Channel:
    group, name = path.split("/")
    if group == "probes":
        return array_channel("probes", name, row)
    axes = ("instances", *(f"{name}.axis{k}" for k in range(1, row.ndim)))
    features = FEATURES.get(name)
    attributes = {} if features is None else {"features": features}
    return Channel("parameters", name, row.shape, row.dtype, row.dtype, axes, features, attributes)
