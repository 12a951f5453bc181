"""What is kept of parameters that are too large to keep: norms, a sketch, and from time to time what their matrix is.

Every row has for each matrix, and for all that is no matrix together, its norm, that of its gradient, the length of its
motion since the row taken before, and its sketch; one after the other the matrices get their singular values, effective
rank and dimensionality, each row taking up as much work as suits the size of the model. What was not measured in a row
is NaN there.
"""

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from ...dynamics.errors import SettingError
from ...dynamics.geometry.large import EXACT, spectrum
from ..ring.channels import IN_TURN, Channel
from ..ring.ring import Ring
from .copies import check_shape
from .parameters import Place, local
from .sketches import Projection, bucket_counts, norm_of

SummaryChoice = bool | Literal["auto"] | None

# So many of the largest singular values are kept, and these shares of the features have a smaller D.
SINGULAR_VALUES, QUANTILES = 16, (0.1, 0.25, 0.5, 0.75, 0.9)
# A row takes up so many multiplications for each parameter, where a step takes some 6 for each of its examples or
# tokens; one of an eigenvalue counts for many, since they come slowly.
_WORK_EACH, _EIGENVALUE_WORK = 16, 25
# The last row takes up more, some seconds of it: how a matrix ended is asked for most.
_LAST_WORK = 2**36


def check_choice(summaries: Any) -> None:
    """Raise SettingError for what is no choice between whole parameters and summaries."""
    if not (summaries is None or isinstance(summaries, bool) or summaries == "auto"):
        raise SettingError(f"summaries={summaries!r} is none of True, False, 'auto' and None")


@dataclass(frozen=True)
class Entry:
    """What is summarised together: a matrix by its name, or all that is none."""

    name: str
    channels: tuple[Channel, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the matrix, or how many elements there are; complex numbers count as two."""
        if self.is_matrix:
            return self.channels[0].shape
        return (sum(math.prod(each.shape) * (2 if each.dtype.kind == "c" else 1) for each in self.channels),)

    @property
    def is_matrix(self) -> bool:
        """Whether it is a matrix of real numbers, which has a spectrum."""
        return len(self.channels) == 1 and _is_matrix(self.channels[0])


def entries_of(channels: Mapping[str, Channel]) -> list[Entry]:
    """Return what is summarised of these parameters: each matrix, and as one entry whatever is none.

    Raises SettingError for parameters of several models in one.
    """
    for name, channel in channels.items():
        if any(axis.endswith(".instance") for axis in channel.axes):
            raise SettingError(
                f"summaries are of one model, and {name} holds {channel.shape[0]}; record it whole (summaries=None)"
            )
    matrices = [Entry(name, (channel,)) for name, channel in channels.items() if _is_matrix(channel)]
    rest = tuple(channel for channel in channels.values() if not _is_matrix(channel))
    name = rest[0].name if len(rest) == 1 else _OTHERS
    while len(rest) > 1 and name in channels:
        name += "_"
    return [*matrices, Entry(name, rest)] if rest else matrices


def summary_channels(channels: Mapping[str, Channel]) -> list[Channel]:
    """Return the channels that stand for these parameters; raises SettingError where entries_of() does."""
    entries = entries_of(channels)
    counts = bucket_counts({entry.name: entry.shape for entry in entries})
    return [each for entry in entries for each in _channels_of(entry, counts[entry.name])]


def _channels_of(entry: Entry, buckets: int) -> list[Channel]:
    first = entry.channels[0]
    # 0 buckets are those of a copy, which has no error.
    about = {
        "shape": json.dumps(entry.shape),
        "buckets": str(buckets if buckets < math.prod(entry.shape) else 0),
        "parameters": json.dumps([channel.name for channel in entry.channels]),
    }
    if aliases := {
        each.name: known.split(", ") for each in entry.channels if (known := each.attributes.get("aliases"))
    }:
        about |= {"aliases": json.dumps(aliases)}
    parts = {"norm": (), "gradient_norm": (), "update": (), "sketch": (buckets,)}
    if entry.is_matrix:
        parts |= {"singular_values": (min(SINGULAR_VALUES, *_sides(entry.shape)),), "effective_rank": ()}
        if first.features is not None:
            parts |= {"dimensionality": (len(QUANTILES),)}
            about |= {"features": first.features}
    single = np.dtype(np.float32)
    return [
        Channel(
            "summaries",
            f"{entry.name}/{quantity}",
            shape,
            single,
            single,
            tuple(f"summaries.{quantity}{length}" for length in shape),
            attributes={**about, **_ABOUT.get(quantity, {})},
        )
        for quantity, shape in parts.items()
    ]


# What is no matrix goes by this name where there is more than one of it.
_OTHERS = "others"
_ABOUT = {
    "update": {"long_name": "length of the motion since the row taken before, from the sketch"},
    "dimensionality": {"quantiles": json.dumps(QUANTILES)},
}


def _is_matrix(channel: Channel) -> bool:
    return len(channel.shape) > 1 and channel.dtype.kind != "c" and min(_sides(channel.shape)) > 1


def _sides(shape: Sequence[int]) -> tuple[int, int]:
    return shape[0], math.prod(shape[1:])


class SummaryTap:
    """Puts the summaries of all parameters into rows."""

    def __init__(self, places: Mapping[str, Place], channels: Mapping[str, Channel], ring: Ring):
        self._each = [
            _Summarised(entry, [places[channel.name] for channel in entry.channels], ring)
            for entry in entries_of(channels)
        ]
        self._ring = ring
        # The slots that were ever filled: before the first row there is none.
        self._filled: set[int] = set()
        # The matrices in the order of their turns, and the work that may be done until the next.
        self._turns = [each for each in self._each if each.work]
        self._next, self._credit = 0, self._turns[0].work if self._turns else 0
        self._earned = _WORK_EACH * sum(each.size for each in self._each)

    @torch.no_grad()
    def copy(self, slot: int) -> None:
        """Put them into the row in that slot; raises RecordingError when a parameter has another shape or is gone."""
        before = (slot - 1) % self._ring.capacity
        for each in self._each:
            # The gradient that is there at the end is that of the row before.
            each.copy(slot, before if before in self._filled else None, has_gradient=self._ring.final is None)
        self._filled.add(slot)
        self._take_turns(slot)

    def _take_turns(self, slot: int) -> None:
        done = 0
        if self._ring.final is not None:
            self._credit += _LAST_WORK
        while done < len(self._turns) and self._credit >= self._turns[self._next].work:
            each = self._turns[self._next]
            each.measure(slot)
            self._credit -= each.work
            self._next, done = (self._next + 1) % len(self._turns), done + 1
        # Where there is work for all of them in every row, none is saved up.
        self._credit = min(self._credit + self._earned, max((each.work for each in self._turns), default=0) * 2)


class _Summarised:
    """One entry and its channels' rows."""

    def __init__(self, entry: Entry, places: Sequence[Place], ring: Ring):
        self._entry, self._places = entry, places
        tensors = [local(place.parameter()) for place in places]
        self._shapes = [tensor.shape for tensor in tensors]
        path = f"summaries/{entry.name}/"
        rows = {key.removeprefix(path): ring.rows[key] for key in ring.layout.starts if key.startswith(path)}
        self._norm, self._gradient, self._update = (rows[key] for key in ("norm", "gradient_norm", "update"))
        self._sketch = rows["sketch"]
        self.size = math.prod(entry.shape)
        self._projection = Projection(entry.name, self.size, self._sketch.shape[1], tensors[0].device)
        self._in_turn = {key: rows[key] for key in IN_TURN if key in rows}
        self.work = _work(*_sides(entry.shape)) if self._in_turn else 0

    def copy(self, slot: int, before: int | None, *, has_gradient: bool) -> None:
        """Fill what every row has; *before* is the slot of the row before, if there is one."""
        parameters = [local(place.parameter()) for place in self._places]
        for place, parameter, shape in zip(self._places, parameters, self._shapes, strict=True):
            check_shape(place, parameter, shape)
        sketch = self._sketch[slot]
        self._norm[slot] = self._projection.of(_flat([parameter.detach() for parameter in parameters]), sketch)
        gradients = [each.grad.detach() for each in parameters if each.grad is not None] if has_gradient else []
        self._gradient[slot] = norm_of(_flat(gradients)) if gradients else math.nan
        for rows in self._in_turn.values():
            rows[slot] = math.nan
        if before is None:
            self._update[slot] = math.nan
        else:
            moved = sketch - self._sketch[before]
            self._update[slot] = math.sqrt(moved @ moved)

    def measure(self, slot: int) -> None:
        """Fill what is measured in turn; a matrix that is not finite has none of it."""
        values = local(self._places[0].parameter()).detach().float()
        if not math.isfinite(float(self._norm[slot])):
            return
        matrix = values.reshape(_sides(values.shape))
        # A decomposition that does not converge leaves nothing.
        with suppress(RuntimeError):
            if "dimensionality" in self._in_turn:
                D = self._measured_with(matrix, values, slot)
                self._in_turn["dimensionality"][slot] = np.quantile(D, QUANTILES)
            else:
                self._put_spectrum(slot, spectrum(matrix, count=SINGULAR_VALUES))

    def _measured_with(self, matrix: Tensor, values: Tensor, slot: int) -> np.ndarray:
        """Fill the spectrum, and return the D of all features."""
        view = self._entry.channels[0].view
        if not view.is_pattern:
            found = spectrum(matrix.T if view.features == "rows" else matrix, count=SINGULAR_VALUES)
            self._put_spectrum(slot, found)
            return found.dimensionality.cpu().numpy()
        self._put_spectrum(slot, spectrum(matrix, count=SINGULAR_VALUES))
        several = torch.from_numpy(np.ascontiguousarray(view.matrices(values.cpu().numpy())))
        heads = several.reshape(-1, *several.shape[-2:])
        return torch.cat([spectrum(head, count=1).dimensionality for head in heads]).numpy()

    def _put_spectrum(self, slot: int, found: Any) -> None:
        self._in_turn["singular_values"][slot] = found.singular_values.cpu().numpy()
        self._in_turn["effective_rank"][slot] = float(found.effective_rank)


def _work(m: int, n: int) -> int:
    """Return how many multiplications the spectrum of a matrix takes, or as long as so many."""
    least = min(m, n)
    return m * n * (least if least <= EXACT else EXACT) + _EIGENVALUE_WORK * min(least, EXACT) ** 3


def _flat(tensors: Sequence[Tensor]) -> Tensor:
    """Return the elements of tensors (size,), a view of them where there is one that allows it."""
    parts = [_elements(tensor) for tensor in tensors]
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _elements(tensor: Tensor) -> Tensor:
    if tensor.layout != torch.strided:
        tensor = tensor.coalesce().values()
    return (torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor).reshape(-1)
