"""Indexing of arrays that are read when they are sliced: only what is asked for is read."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

# Positions that fill at least this share of the stretch they lie in are read with what lies between them.
_DENSE = 0.25


def indexed(key: Any, shape: tuple[int, ...], read: Callable[[list[range]], np.ndarray]) -> Any:
    """Return what NumPy would for ``array[key]``, of an array of *shape* that is read in blocks.

    read gives the block of these positions, forwards, of every axis, and keeps all axes. Whole numbers, slices,
    ``...``, None, lists and masks read what they name on each axis, and little between.
    Raises IndexError as NumPy does.
    """
    parts = _expanded(key if isinstance(key, tuple) else (key,), len(shape))
    wanted, local, axis = [], [], 0
    for part in parts:
        if part is None:
            local.append(None)
            continue
        positions, rest = _positions(part, shape[axis], axis)
        wanted.append(positions)
        local.append(rest)
        axis += 1
    return _gathered(wanted, read)[tuple(local)]


def as_slice(positions: range) -> slice:
    """Return the slice of these positions, which count forwards."""
    return slice(positions.start, positions.stop, positions.step) if positions else slice(0, 0)


def _expanded(key: tuple[Any, ...], ndim: int) -> list[Any]:
    """Return one part for each axis, and None where an axis is added; a mask of many axes becomes one list for each."""
    parts: list[Any] = []
    for part in key:
        is_number = isinstance(part, int | np.integer) and not isinstance(part, bool)
        if part is None or part is Ellipsis or is_number or isinstance(part, slice):
            parts.append(part)
            continue
        array = np.asarray(part)
        if not array.size and array.dtype != bool:
            array = array.astype(np.intp)
        if array.dtype == bool:
            parts += [_Mask(each, size) for each, size in zip(array.nonzero(), array.shape, strict=True)]
        elif array.dtype.kind in "iu":
            parts.append(array)
        else:
            raise IndexError(f"an index is a whole number, a slice, ..., None, a list or a mask; got {part!r}")
    given = sum(part is not None and part is not Ellipsis for part in parts)
    if given > ndim or sum(part is Ellipsis for part in parts) > 1:
        raise IndexError(f"too many indices for an array of {ndim} axes: {key!r}")
    every = [slice(None)] * (ndim - given)
    place = next((k for k, part in enumerate(parts) if part is Ellipsis), len(parts))
    return [*parts[:place], *every, *parts[place + 1 :]]


class _Mask:
    """The positions that a mask names on one axis, and how long it was there."""

    def __init__(self, positions: np.ndarray, size: int):
        self.positions = positions
        self.size = size


def _positions(part: Any, size: int, axis: int) -> tuple[range | np.ndarray, Any]:
    """Return which positions of an axis are read, increasing, and what is asked of them when they are there."""
    if isinstance(part, slice):
        found = range(size)[part]
        return (found[::-1], slice(None, None, -1)) if found.step < 0 else (found, slice(None))
    if isinstance(part, int | np.integer):
        index = int(_checked(np.asarray(int(part)), size, axis))
        return range(index, index + 1), 0
    if isinstance(part, _Mask):
        if part.size != size:
            raise IndexError(f"a mask of {part.size} does not fit axis {axis}, which has {size}")
        part = part.positions
    positions, inverse = np.unique(_checked(part, size, axis), return_inverse=True)
    return positions, inverse.reshape(part.shape)


def _checked(index: np.ndarray, size: int, axis: int) -> np.ndarray:
    outside = (index < -size) | (index >= size)
    if outside.any():
        raise IndexError(f"index {index[outside].flat[0]} is out of range for axis {axis}, which has {size}")
    return index % size


def _gathered(wanted: Sequence[range | np.ndarray], read: Callable[[list[range]], np.ndarray]) -> np.ndarray:
    """Return the block of these positions, read in as few pieces as leave out what nobody asked for."""
    axis = next((k for k, each in enumerate(wanted) if isinstance(each, np.ndarray)), None)
    if axis is None:
        return read([each for each in wanted if isinstance(each, range)])
    before, positions, after = wanted[:axis], np.asarray(wanted[axis]), wanted[axis + 1 :]
    blocks = []
    for run in _runs(positions):
        stretch = range(int(run[0]), int(run[-1]) + 1) if len(run) else range(0)
        block = _gathered([*before, stretch, *after], read)
        is_whole = len(stretch) == len(run)
        blocks.append(block if is_whole else block.take(run - stretch.start, axis))
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks, axis)


def _runs(positions: np.ndarray) -> list[np.ndarray]:
    """Return the positions in stretches, each as good as filled."""
    if len(positions) < 2 or len(positions) >= _DENSE * (positions[-1] - positions[0] + 1):
        return [positions]
    return np.split(positions, np.flatnonzero(np.diff(positions) > 1 / _DENSE) + 1)
