"""A recording of everything that is hard to export."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dyn
from dyn.recorders.file.creation import create_file
from dyn.recorders.file.store import Store
from dyn.recorders.ring.channels import Block, Channel
from dyn.recorders.ring.derived import with_features

ROWS = 9
Arrays = dict[str, np.ndarray]


def write_recording(path: Path, parameters: Arrays, probes: Arrays, scalars: Arrays, **features: Any) -> Path:
    """Write a recording of these arrays, (T, ...), with a row at every third step."""
    arrays = {f"parameters/{name}": each for name, each in parameters.items()}
    arrays |= {f"probes/{name}": each for name, each in probes.items()}
    channels = []
    for place, values in arrays.items():
        group, _, name = place.partition("/")
        axis = features.get(name) if group == "parameters" else None
        axes = tuple(f"{place.replace('/', '.')}.axis{k}" for k in range(values.ndim - 1))
        note = {"features": axis} if axis else {}
        channels.append(Channel(group, name, values.shape[1:], values.dtype, values.dtype, axes, axis, note))
    create_file(path, channels, scalars, config=json.dumps({"lr": 0.1}), token="")
    store, rows = Store(path), len(next(iter(scalars.values())))
    if rows:
        block = Block(3 * np.arange(rows), np.arange(rows) / 10, scalars, arrays)
        store.append(with_features(block, channels)[0])
    store.close("complete", final_row=1)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.h5"


@pytest.fixture
def make() -> Callable[..., Path]:
    return write_recording


@pytest.fixture
def rich(path: Path) -> Path:
    """A weight, an ensemble, an embedding, dots and slashes in names, and numbers that not every format knows."""
    random = np.random.default_rng(0)
    loss = random.normal(size=ROWS)
    loss[[2, 5, 6]] = np.nan, np.inf, -np.inf
    parameters = {
        "enc.0.weight": random.normal(size=(ROWS, 3, 5)).astype(np.float32),
        "many": random.normal(size=(ROWS, 2, 2, 4)),
        "emb/edding": random.normal(size=(ROWS, 4, 3)).astype(np.float32),
        "half": random.normal(size=(ROWS, 2)).astype(np.float16),
        "wave": (random.normal(size=(ROWS, 2)) + 1j * random.normal(size=(ROWS, 2))).astype(np.complex64),
        "none": np.empty((ROWS, 0, 2), np.float32),
    }
    probes = {"loss": np.arange(ROWS), "dead": random.random((ROWS, 3)) < 0.5, "deep": random.random((ROWS, 2, 2, 2))}
    scalars = {"loss": loss, "train/loss.x": np.arange(ROWS) / 7}
    features = {"enc.0.weight": "columns", "many": "columns", "emb/edding": "rows"}
    return write_recording(path, parameters, probes, scalars, **features)


@pytest.fixture
def arrays_of() -> Callable[[Path], Arrays]:
    """A function that reads all arrays of a recording, by path."""

    def read(path: Path) -> Arrays:
        with dyn.open(path) as recording:
            found = {"step": recording.step[:], "time": recording.time[:]}
            found |= {f"scalars/{name}": series[:] for name, series in recording.scalars.items()}
            found |= {f"parameters/{name}": series[:] for name, series in recording.parameters.items()}
            for name, quantities in recording.features.items():
                found |= {f"features/{name}/{each}": series[:] for each, series in quantities.items()}
            found |= {f"probes/{name}": series[:] for name, series in recording.probes.items()}
        return found

    return read
