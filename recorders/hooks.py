"""attach(): hook a recorder to any PyTorch training."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from torch import nn
from torch.optim import Optimizer

from ..dynamics.errors import SettingError, unknown_name
from .channels import Channel, Features, array_channel, parameter_channels
from .recorder import Recorder
from .ring import Ring
from .store import Store
from .taps import ParameterTap, ProbeTap, call_probe
from .writer import Writer

Probe = Callable[[nn.Module], Any]

# The ring holds this many bytes, and no more rows than it is worth writing at once.
_RING_BYTES = 2**24
_RING_ROWS = 1024


def attach(
    model: nn.Module,
    optimizer: Optimizer,
    path: str | os.PathLike[str],
    *,
    every: int = 1,
    select: str | Sequence[str] | None = None,
    features: Features = "auto",
    probes: Mapping[str, Probe] | None = None,
    config: Mapping[str, Any] | None = None,
    on_error: Literal["warn", "raise"] = "warn",
    overwrite: bool = False,
) -> Recorder:
    """Record every step of a training into the file *path*; return the recorder, a context manager.

    Row k holds the state at which loss k and its gradient were computed: the parameters before update k. The first
    row is the initial state, and closing adds the final one.

    every: record each such step (a whole number of steps). select: one glob or several over the qualified names of
    the parameters; by default all that require a gradient. features: "auto" takes the columns of matrices and the
    rows of embeddings; a dict {name: "rows" | "columns" | None} overrides it; None records no dimensionality.
    probes: {name: fn(model)} are your own tensors and numbers, sampled with the row. config: whatever describes the
    run, kept as JSON. on_error: what a full disk or an I/O error does: "warn" ends the recording and lets the training
    go on, "raise" raises. overwrite: replace an existing file.

    Raises SettingError for an argument that cannot be used, OutputExistsError for an existing file, RecordingError
    where no file can be written; in each case nothing on disk has changed.
    """
    if not isinstance(model, nn.Module) or not isinstance(optimizer, Optimizer):
        given = f"{type(model).__name__} and {type(optimizer).__name__}"
        raise SettingError(f"attach() takes a torch.nn.Module and a torch.optim.Optimizer, got {given}")
    _check_every(every)
    if on_error not in ("warn", "raise"):
        raise unknown_name("on_error", on_error, ("warn", "raise"))
    taken = parameter_channels(model, select, features)
    values = {name: call_probe(name, probe, model) for name, probe in (probes or {}).items()}
    probe_channels = {name: array_channel("probes", name, value) for name, value in values.items()}
    channels = [*(channel for _, channel in taken.values()), *probe_channels.values()]
    ring = Ring(channels, _ring_rows(channels))
    taps: list[ParameterTap | ProbeTap] = [
        ParameterTap(name, parameter, ring.columns[channel.path]) for name, (parameter, channel) in taken.items()
    ]
    taps += [
        ProbeTap(name, probe, model, ring.columns[probe_channels[name].path]) for name, probe in (probes or {}).items()
    ]
    store = Store(Path(path), channels, scalars=("loss", "lr"), config=_as_json(config), overwrite=overwrite)
    return Recorder(optimizer, ring, taps, Writer(store, channels), store, channels, every=every, on_error=on_error)


def _as_json(config: Mapping[str, Any] | None) -> str:
    if not isinstance(config or {}, Mapping):
        raise SettingError(f"config={config!r} is no dictionary")
    try:
        return json.dumps(config or {}, default=str)
    except (TypeError, ValueError) as error:
        raise SettingError(f"config={config!r} cannot be kept as JSON: {error}") from error


def _ring_rows(channels: Sequence[Channel]) -> int:
    largest = sum(int(np.prod(channel.shape)) * channel.dtype.itemsize for channel in channels)
    return max(2, min(_RING_ROWS, _RING_BYTES // max(largest, 1)))


def _check_every(every: int) -> None:
    if isinstance(every, bool) or not isinstance(every, int) or every < 1:
        raise SettingError(f"every={every!r} is not a whole number of steps, 1 or more")
