"""Where the contents of an export come from: a recording, or the result of a sweep."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fnmatch import fnmatchcase
from itertools import zip_longest
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ...dynamics.errors import SettingError, unknown_name
from ..file.compression import is_compressed
from ..file.feature_major import is_feature_major
from ..file.hdf5 import OF_AXES, dataset_at, is_sweep
from ..reading.constants import Constant
from ..reading.recording import Recording, open_recording, snapshot_of
from ..reading.series import Series, patiently
from ..sweeps.sweep import arrays_of
from .contents import Array, Block, Contents

# Of a file, and no longer true or of no use in another one.
_OF_FILE = ("format", "format_version", "token", "compacted")


@contextmanager
def gathered(source: Recording | Path, *, every: int) -> Iterator[Contents]:
    """Give the contents of a recording, or of what lies at a path; they can be read as long as the context lasts."""
    if isinstance(source, Recording):
        yield of_recording(source, every=every)
    elif is_sweep(source):
        if every != 1:
            raise SettingError(f"every={every}: {source} is the result of a sweep; choose arrays with select instead")
        with h5py.File(source, "r") as file:
            yield of_sweep(file)
    else:
        with open_recording(source) as recording:
            yield of_recording(recording, every=every)


def of_recording(recording: Recording, *, every: int = 1) -> Contents:
    """Return the contents of a recording, every so many rows from the first one on."""
    rows = range(0, len(recording), every)
    named = {"time": recording.time}
    named |= {f"scalars/{name}": series for name, series in recording.scalars.items()}
    named |= {f"parameters/{name}": series for name, series in recording.parameters.items()}
    labels = {name: series.attrs["labels"] for name, series in recording.parameters.items() if "labels" in series.attrs}
    for name, quantities in recording.features.items():
        named |= {f"features/{name}/{quantity}": series for quantity, series in quantities.items()}
    named |= {f"probes/{name}": series for name, series in recording.probes.items()}
    named |= {f"buffers/{name}": series for name, series in recording.buffers.items()}
    for name, quantities in recording.summaries.items():
        named |= {f"summaries/{name}/{quantity}": series for quantity, series in quantities.items()}
    arrays = [_of_series(recording, path, series, rows) for path, series in named.items()]
    # Beside what is derived too, which may be exported without the parameter.
    arrays = [_with_labels(array, labels) for array in arrays]
    step = _of_series(recording, "step", recording.step, rows)
    attributes = {"source": recording.path.name, **_root(recording), "status": recording.status}
    constants = [_of_constant(recording, name, each) for name, each in recording.constants.items()]
    return Contents(recording.path, ("step",), {"step": step}, arrays, attributes, constants)


def of_sweep(file: h5py.File) -> Contents:
    """Return the contents of the result of a sweep; a row of a table is a model, or a model at one step."""
    arrays = [_of_dataset(file, name) for name in arrays_of(file)]
    scales = {name: _of_dataset(file, name) for name in map(str, file) if dataset_at(file, name).is_scale}
    path = Path(file.filename)
    end = arrays[0].axes.index("repeat") + 1 if arrays else 0
    index = arrays[0].axes[: end + ("step" in scales)] if arrays else ()
    return Contents(path, index, scales, arrays, {"source": path.name, **_plain(file.attrs)})


def selected(contents: Contents, globs: Sequence[str], *, strict: bool = False) -> Contents:
    """Return the arrays whose path, or name within its group, is like one of *globs*; time goes with all of them.

    strict: raise SettingError for a glob that nothing is like.
    """
    everything = [*contents.arrays, *contents.constants]
    found = {glob: [array for array in everything if _is_like(array, glob)] for glob in globs}
    for glob in (glob for glob in globs if strict and not found[glob]):
        raise unknown_name("array", glob, [array.name for array in everything])
    chosen = {array.path for arrays in found.values() for array in arrays} | {"time"}
    return _of_each(contents, lambda array: [array] if array.path in chosen else [])


def _of_each(contents: Contents, change: Callable[[Array], list[Array]]) -> Contents:
    """Return contents with what *change* makes of each array and of each constant."""
    arrays, constants = (
        [new for array in found for new in change(array)] for found in (contents.arrays, contents.constants)
    )
    return replace(contents, arrays=arrays, constants=constants)


def watched(contents: Contents, tell: Callable[[int], None]) -> Contents:
    """Return contents that tell how many bytes of them were read, again and again."""
    done = 0

    def watch(array: Array) -> Array:
        def read(block: Block) -> np.ndarray:
            nonlocal done
            values = array.read(block)
            done += values.nbytes
            tell(done)
            return values

        return replace(array, read=read)

    coordinates = {name: watch(array) for name, array in contents.coordinates.items()}
    return _of_each(replace(contents, coordinates=coordinates), lambda array: [watch(array)])


def _is_like(array: Array, glob: str) -> bool:
    return fnmatchcase(array.path, glob) or fnmatchcase(array.name, glob)


def _of_series(recording: Recording, path: str, series: Series, rows: range) -> Array:
    def read(block: Block) -> np.ndarray:
        wanted = rows[block[0]]
        first = slice(wanted.start, wanted.stop, wanted.step) if wanted else slice(0, 0)
        return series[(first, *block[1:])]

    shape = (len(rows), *series.shape[1:])
    axes, attributes = _axes(recording, path, len(shape)), _plain(series.attrs)
    return Array(path, axes, shape, series.dtype, attributes, read, _chunk_rows(recording, path))


def _of_constant(recording: Recording, name: str, constant: Constant) -> Array:
    shape, path = constant.shape, f"constants/{name}"
    axes = _axes(recording, path, len(shape) + 1, first=0)[1:]
    return Array(path, axes, shape, constant.dtype, _plain(constant.attrs), lambda block: constant[block])


def _with_labels(array: Array, labels: Mapping[str, Any]) -> Array:
    """Return an array of features with the user's own names of them, as it was noted of their parameter."""
    group, _, name = array.path.partition("/")
    found = labels.get(name.rpartition("/")[0]) if group == "features" else None
    return array if found is None else replace(array, attributes={**array.attributes, "labels": found})


def _chunk_rows(recording: Recording, path: str) -> int:
    """Return how many rows are read together, as those of a compressed chunk, or of one with one element only."""

    def look() -> int:
        dataset = snapshot_of(recording).node(path)
        if not isinstance(dataset, h5py.Dataset) or dataset.chunks is None:
            return 1
        return dataset.chunks[0] if is_compressed(dataset) or is_feature_major(dataset.chunks) else 1

    return patiently(snapshot_of(recording), look)


def _axes(recording: Recording, path: str, ndim: int, *, first: int = 1) -> tuple[str, ...]:
    """Return the names of an array's axes, those without a name after the array."""

    def look() -> list[str]:
        dataset: Any = snapshot_of(recording).node(path)
        # What was not written yet has no place in the file.
        dimensions = [] if dataset is None else list(dataset.dims)[first:]
        return [dimension[0].name.removeprefix("/") if len(dimension) else "" for dimension in dimensions]

    unnamed = [f"{path.replace('/', '.')}.axis{k}" for k in range(ndim - 1)]
    return ("step", *(name or other for name, other in zip_longest(patiently(snapshot_of(recording), look), unnamed)))


def _root(recording: Recording) -> dict[str, Any]:
    def look() -> dict[str, Any]:
        root = snapshot_of(recording).node("/")
        # Where a ring lies that is of this file only is no news for another one.
        return {} if root is None else {name: value for name, value in _plain(root.attrs).items() if name != "ring"}

    return patiently(snapshot_of(recording), look)


def _of_dataset(file: h5py.File, name: str) -> Array:
    dataset = dataset_at(file, name)
    axes = (
        (name,) if dataset.is_scale else tuple(str(dimension[0].name).removeprefix("/") for dimension in dataset.dims)
    )
    if h5py.check_string_dtype(dataset.dtype):
        texts = np.array(dataset.asstr()[()], dtype=np.str_)
        return Array(name, axes, dataset.shape, texts.dtype, _plain(dataset.attrs), lambda block: texts[block])
    return Array(name, axes, dataset.shape, dataset.dtype, _plain(dataset.attrs), lambda block: dataset[block])


def _plain(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes as texts and numbers of Python."""
    kept = {key: value for key, value in attributes.items() if key not in _OF_FILE + OF_AXES}
    return {key: value.item() if isinstance(value, np.generic) else value for key, value in kept.items()}
