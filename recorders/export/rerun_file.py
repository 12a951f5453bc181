"""Writing .rrd for the Rerun viewer: losses, dimensionality, and features as arrows, on the time line "step"."""

import colorsys
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rerun as rr
from rerun.chunk import Chunk, LazyChunkStream

from ...dynamics.errors import SettingError
from .contents import Array, Contents, blocks

_BLOCK_BYTES = 2**22
_ARROWS: dict[int, Any] = {2: rr.Arrows2D, 3: rr.Arrows3D}
# Around the circle by the golden section, so that neighbours differ however many there are.
_GOLDEN = 0.618034


def write(contents: Contents, path: Path) -> None:
    """Write scalars, features and flat probes as time series, and features in two or three dimensions as arrows.

    Entities are called as the arrays, those of an ensemble's members with a number behind. What has no picture is left
    out, and so are the rows in which a series is NaN, so that lines go on over steps at which nothing was logged.
    """
    if contents.index != ("step",):
        raise SettingError(f"{contents.source} is the result of a sweep, which has no time line; export nc or parquet")
    entities = [entity for array in contents.arrays for entity in _entities(array)]
    if not entities:
        raise SettingError(
            f"select={[a.path for a in contents.arrays]}: none of these is drawn; select a scalar or features"
        )
    name = str(contents.attributes["source"])
    chunks = (chunk for entity in entities for chunk in _chunks(entity, contents.coordinates["step"]))
    try:
        LazyChunkStream.from_iter(chunks).write_rrd(path, application_id="dyn", recording_id=name)
    except RuntimeError as error:
        # Rerun wraps whatever is raised while it reads the chunks.
        if "KeyboardInterrupt" in str(error):
            raise KeyboardInterrupt from error
        # Such as a disk that is full.
        raise OSError(str(error)) from error


@dataclass(frozen=True)
class _Entity:
    """One picture: an array, of one member of an ensemble, as lines or as arrows in so many dimensions."""

    array: Array
    member: tuple[int, ...]
    dimensions: int

    @property
    def path(self) -> str:
        return rr.new_entity_path([*self.array.path.split("/"), *map(str, self.member)])

    @property
    def row_shape(self) -> tuple[int, ...]:
        return self.array.shape[1 + len(self.member) :]

    def read(self, rows: slice) -> np.ndarray:
        """Return some rows, (rows, features) of a series and (rows, features, dimensions) of arrows."""
        member = [slice(k, k + 1) for k in self.member]
        values = self.array.read((rows, *member, *map(slice, self.row_shape)))
        values = values.reshape(len(values), *(self.row_shape or (1,)))
        return values.swapaxes(1, 2) if self.array.attributes.get("features") == "columns" else values

    def columns(self, values: np.ndarray) -> Any:
        if self.dimensions:
            return _ARROWS[self.dimensions].columns(vectors=values.reshape(-1, self.dimensions))
        return rr.Scalars.columns(scalars=values.astype(np.float64).reshape(-1))

    def style(self, features: int) -> Any:
        """Return the names and colours of so many features, the same for lines and arrows."""
        labels = json.loads(str(self.array.attributes.get("labels", "null")))
        names = labels or [f"feature {k}" for k in range(features)]
        colours = [_colour(k) for k in range(features)]
        if self.dimensions:
            made = _ARROWS[self.dimensions].columns(labels=names, colors=colours)
        else:
            made = rr.SeriesLines.columns(names=names if self.row_shape else [self.array.name], colors=colours)
        return made.partition([features])


def _entities(array: Array) -> Iterator[_Entity]:
    group = array.path.partition("/")[0]
    if array.dtype.kind not in "fiub":
        return
    if group == "parameters":
        axis = {"columns": -2, "rows": -1}.get(array.attributes.get("features", ""))
        dimensions = 0 if axis is None else array.shape[axis]
        if dimensions in _ARROWS:
            yield from (_Entity(array, member, dimensions) for member in np.ndindex(array.shape[1:-2]))
    elif group in ("scalars", "features") or (group in ("probes", "summaries") and len(array.shape) <= 2):
        yield from (_Entity(array, member, 0) for member in np.ndindex(array.shape[1:-1]))


def _chunks(entity: _Entity, step: Array) -> Iterator[Chunk]:
    row_bytes = entity.array.dtype.itemsize * math.prod(entity.row_shape)
    features = 0
    for (rows,) in blocks(step.shape, max(1, row_bytes), _BLOCK_BYTES):
        values, steps = entity.read(rows), step.read((rows,))
        kept = ~np.isnan(values).reshape(len(values), -1).all(axis=1)
        values, features = values[kept], values.shape[1]
        index = rr.TimeColumn("step", sequence=steps[kept])
        columns = entity.columns(values).partition(np.full(len(values), features))
        yield Chunk.from_columns(entity.path, [index], columns)
    yield Chunk.from_columns(entity.path, [], entity.style(features))


def _colour(k: int) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(k * _GOLDEN % 1, 0.65, 0.9)
    return round(255 * red), round(255 * green), round(255 * blue)
