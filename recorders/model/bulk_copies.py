"""How many parameters, or large ones, get into a row of the ring at once; and whether they are still the model's."""

from collections.abc import Sequence
from itertools import groupby
from mmap import mmap
from typing import Any

import torch
from torch import Tensor

from ..ring.layout import RowLayout
from ..ring.ring import Ring
from .copies import check_shape, copy_all, ring_dtype
from .parameters import Place, local

# Targets take 2 kB each. Where they would be more than these, there are those of one row outside the ring, from where
# it is copied once more.
_MOST_TARGETS = 2**14


class ParameterTensors:
    """Copies many parameters, or large ones, by one call for all of them: torch uses its threads for that."""

    def __init__(self, places: Sequence[Place], ring: Ring):
        parameters = [local(place.parameter()) for place in places]
        self._places = places
        self._entries = [(place.owner, place.key) for place in places]
        self._sharded = any(place.parameter() is not tensor for place, tensor in zip(places, parameters, strict=True))
        self._shapes = [parameter.shape for parameter in parameters]
        self._dtypes = [ring_dtype(parameter.dtype) for parameter in parameters]
        self._ring = ring
        self._targets: dict[int, list[Tensor]] = {}
        self._image = bytearray(ring.row_bytes) if len(places) * ring.capacity > _MOST_TARGETS else None
        self._spans = _spans(ring.layout, [place.path for place in places])

    def copy(self, slot: int) -> None:
        """Put all of them into the row in that slot; raises RecordingError when one has another shape or is gone."""
        parameters: list[Any] = [owner.get(key) for owner, key in self._entries]
        if self._sharded or list(map(_shape, parameters)) != self._shapes:
            parameters = [local(place.parameter()) for place in self._places]
            for place, parameter, shape in zip(self._places, parameters, self._shapes, strict=True):
                check_shape(place, parameter, shape)
        row = self._ring.header_bytes + slot * self._ring.row_bytes
        if self._image is None:
            copy_all(self._targets.get(slot) or self._make_targets(slot, self._ring.memory, row), parameters)
            return
        copy_all(self._targets.get(0) or self._make_targets(0, self._image, 0), parameters)
        source, target = memoryview(self._image), memoryview(self._ring.memory)
        for start, stop in self._spans:
            target[row + start : row + stop] = source[start:stop]

    def _make_targets(self, slot: int, memory: mmap | bytearray, row: int) -> list[Tensor]:
        starts = self._ring.layout.starts
        self._targets[slot] = [
            torch.frombuffer(
                memory,
                dtype=dtype,
                count=shape.numel(),
                offset=row + starts[place.path],
            ).view(shape)
            for place, dtype, shape in zip(self._places, self._dtypes, self._shapes, strict=True)
        ]
        return self._targets[slot]


def _spans(layout: RowLayout, paths: Sequence[str]) -> list[tuple[int, int]]:
    """Return where these channels lie in a row, those that follow each other as one."""
    starts, wanted = layout.starts, set(paths)
    spans = []
    for is_wanted, run in groupby(layout.channels, lambda channel: channel.path in wanted):
        if is_wanted:
            channels = [*run]
            spans.append(
                (
                    starts[channels[0].path],
                    starts[channels[-1].path] + channels[-1].nbytes,
                )
            )
    return spans


def _shape(parameter: Tensor | None) -> torch.Size | None:
    return None if parameter is None else parameter.shape
