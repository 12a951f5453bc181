"""What is kept once, since it does not change; and how it is noticed when it does."""

import zlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..ring.channels import Channel
from ..ring.derived import as_stored
from .buffers import Rest
from .copies import bits_of, resolved, ring_dtype
from .parameters import Place

# All together; a frozen network of more is left to its own files.
MOST_BYTES = 2**30
# What has more elements is known again by so many of them.
_SAMPLED = 2**20


@dataclass
class _Kept:
    """Something kept once: what it was found by last, and a fingerprint of its values at the beginning."""

    place: Place
    seen: tuple[Any, ...]
    fingerprint: int


class Constants:
    """What is kept once of a model, and a look at whether it has changed all the same.

    A look costs a few numbers for each: which tensor it is, where its data are, and torch's count of writes to it.
    Where these differ its values are compared. A write to ``tensor.data`` is not counted; so that from time to time, at
    twice as many looks as before, all values on the CPU are; and at the end all there are.
    """

    def __init__(self, rest: Rest):
        self._channels = {channel.name: channel for channel in rest.constants()}
        sizes = {name: channel.stored_bytes for name, channel in self._channels.items()}
        self.left_out = [*rest.left_out, *_beyond(sizes, MOST_BYTES)]
        self.channels = [channel for name, channel in self._channels.items() if name not in self.left_out]
        self._places = {channel.name: rest.constant[channel.name] for channel in self.channels}
        self._changing = rest.changing
        self._watched = {
            name: _Kept(place, _seen(place.parameter()), fingerprint(place.parameter()))
            for name, place in self._places.items()
            if place.parameter().numel()
        }
        self._looks = 0
        self._sound_at = 0
        # Since which step what is kept may not be what it is.
        self.changed: dict[str, int] = {}

    def values(self) -> Iterator[tuple[Channel, np.ndarray]]:
        """Give each channel with its present value as the file has it."""
        for channel in self.channels:
            tensor = self._places[channel.name].parameter().detach()
            plain = resolved(tensor.to("cpu", ring_dtype(tensor.dtype))).contiguous()
            yield channel, as_stored(channel, bits_of(plain).numpy())

    def look(self, step: int, *, at_end: bool = False) -> Mapping[str, int]:
        """Return what has changed by this step, by name, with the first step at which it may have."""
        self._looks += 1
        devices = None if at_end else {"cpu"} if self._looks & (self._looks - 1) == 0 else set[str]()
        for name in [name for name, kept in self._watched.items() if not _is_sound(kept, devices)]:
            del self._watched[name]
            self.changed[name] = self._sound_at + 1
        lost = [name for name, place in self._changing.items() if name not in self.changed and place.is_lost]
        self.changed.update((name, self._sound_at + 1) for name in lost)
        self._sound_at = step
        return self.changed


def fingerprint(tensor: Tensor) -> int:
    """Return what tells the values of a tensor from others, by their bits; of a large one, by some of its elements."""
    flat = tensor.detach().reshape(-1)
    flat = flat[:: max(1, len(flat) // _SAMPLED)]
    return zlib.crc32(resolved(flat).contiguous().cpu().view(torch.uint8).numpy().data)


def _seen(tensor: Any) -> tuple[Any, ...]:
    """Return what tells that nobody has changed a tensor, as far as torch knows."""
    # Tensors of inference have no count of writes.
    writes = -1 if tensor.is_inference() else tensor._version
    return id(tensor), writes, tensor.data_ptr()


def _is_sound(kept: _Kept, devices: Collection[str] | None) -> bool:
    """Whether something is what it was; its values are compared on these devices, None being all, or if it moved."""
    present = kept.place.owner.get(kept.place.key)
    if not isinstance(present, Tensor):
        return False
    seen = _seen(present)
    if seen == kept.seen and devices is not None and present.device.type not in devices:
        return True
    kept.seen = seen
    return fingerprint(present) == kept.fingerprint


def _beyond(sizes: Mapping[str, int], most: int) -> list[str]:
    """Return the names of those for which there is no room, going by their order."""
    beyond, total = [], 0
    for name, size in sizes.items():
        if total + size > most:
            beyond.append(name)
        else:
            total += size
    return beyond
