"""A sketch of a parameter: its elements, each with a sign drawn once, added up in a few buckets.

The sketch is linear, so that the sketch of a difference is the difference of sketches, and it keeps squared lengths:
E |S x|² = |x|², with a relative variance of 2/k where x is spread over more elements than there are buckets. Within a
run of up to 2¹⁵ elements that follow one another, element i lies in bucket (i + r) mod k, with k prime, so that
neither the rows nor the columns of a matrix share buckets more than chance would have it, and every sign is drawn by
itself; from run to run the signs of one table are used again, from another place, with one more sign for all of the
run. So signs are independent within a run and pairwise independent everywhere; that pairs share a bucket is chance only
from run to run. What lies in elements k apart alone, of a k that nobody knows but this file, has a larger error.

Source: Charikar, Chen and Farach-Colton, "Finding frequent items in data streams", 2002; Weinberger et al., "Feature
hashing for large scale multitask learning", arXiv 0902.2206, lemma 2.
"""

import math
import zlib
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib import import_module
from itertools import count
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def _extension() -> Any:
    """Return what does it in one pass over memory, None where it was not built."""
    with suppress(ImportError):
        return import_module("._folding", __package__)
    return None


folding = _extension()
# All sketches of a model together have about so many numbers, and no parameter that has so many has fewer.
BUCKETS, FEWEST = 8192, 31
# What every sketch is drawn from, so that those of two recordings can be compared.
SEED = 18
# Elements that are done at once: a core's own cache holds them, their signs and their products.
_RUN = 2**15
# The table of signs has so many places to begin at.
_PLACES = 2**16
# Norms are summed in single precision, which so many numbers do not harm; sums of squares between these lost none.
_PART = 2**20
_LEAST, _MOST = 1e-24, 1e30


def bucket_counts(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    """Return in how many buckets each parameter goes, by its share of all elements; as many as it has is a copy."""
    total = sum(math.prod(shape) for shape in shapes.values())
    counts = {}
    for name, shape in shapes.items():
        size = math.prod(shape)
        wanted = max(FEWEST, round(BUCKETS * size / max(total, 1)))
        prime = _prime_from(min(wanted, BUCKETS), shape)
        counts[name] = size if size <= prime else prime
    return counts


class Projection:
    """Makes the sketch of one parameter; what it holds is small beside the parameter."""

    def __init__(self, name: str, size: int, buckets: int, device: torch.device | str = "cpu"):
        self.is_exact = size == buckets
        self.buckets, self._device = buckets, str(device)
        words = np.empty(0, np.uint64) if self.is_exact else _words(name, -(-size // _RUN))
        # Of each run: where its signs begin, in which bucket it does, and whether all its signs are turned.
        runs = [words % _PLACES, (words >> np.uint64(20)) % np.uint64(2**40) % np.uint64(max(buckets, 1)), words >> 63]
        self._runs = np.stack(runs, axis=1).astype(np.int64)
        self._runs[:, 2] = 1 - 2 * self._runs[:, 2]
        self._signs = _signs("cpu").numpy()

    def of(self, flat: Tensor, out: NDArray[np.float32]) -> float:
        """Put the sketch of elements (size,) as they are now into *out* (buckets,), and return their norm."""
        if not self.is_exact and _is_quick(flat):
            total = folding.fold(flat.numpy(), self._signs, self._runs, _RUN, out)
            return math.sqrt(total) if _LEAST < total < _MOST else _norm(flat, torch.float64)
        out[:] = (flat.float() if self.is_exact else self._folded(flat)).cpu().numpy()
        return norm_of(flat)

    def _folded(self, flat: Tensor) -> Tensor:
        # A run begins at one of the first buckets of a room that is folded up at the end, whole buckets long.
        height = -(-(min(len(flat), _RUN) + self.buckets) // self.buckets)
        room, signs = torch.zeros(height * self.buckets, device=self._device), _signs(self._device)
        for part, (place, first, turn) in zip(flat.split(_RUN), self._runs.tolist(), strict=True):
            room[first : first + len(part)].addcmul_(part, signs[place : place + len(part)], value=turn)
        return room.view(height, self.buckets).sum(0)


def norm_of(flat: Tensor) -> float:
    """Return the norm of elements (size,), summed so that single precision does not harm."""
    if _is_quick(flat):
        total = folding.squares(flat.numpy())
    else:
        total = _norm(flat, torch.float64 if flat.dtype == torch.float64 else torch.float32) ** 2
    # Squares of very small or large numbers have no place in single precision.
    return math.sqrt(total) if _LEAST < total < _MOST else _norm(flat, torch.float64)


def _is_quick(flat: Tensor) -> bool:
    """Whether the extension takes these elements."""
    is_plain = flat.dtype == torch.float32 and flat.device.type == "cpu" and flat.is_contiguous()
    return folding is not None and is_plain and not flat.is_neg()


def _norm(flat: Tensor, dtype: torch.dtype) -> float:
    parts = torch.stack([torch.linalg.vector_norm(part, dtype=dtype) for part in flat.split(_PART)])
    return float(torch.linalg.vector_norm(parts, dtype=torch.float64))


@cache
def _signs(device: str) -> Tensor:
    size = _PLACES + _RUN
    words = np.random.PCG64(SEED).random_raw(-(-size // 64))
    bits = np.unpackbits(words.astype("<u8").view(np.uint8), bitorder="little")[:size]
    return torch.from_numpy(1 - 2 * bits.astype(np.float32)).to(device)


def _words(name: str, number: int) -> np.ndarray:
    """Return so many random words of 64 bits, which the name alone decides: other parameters do not change them."""
    return np.random.PCG64([SEED, zlib.crc32(name.encode())]).random_raw(number)


def _prime_from(least: int, shape: tuple[int, ...]) -> int:
    """Return a prime, *least* or the next, that divides no axis: else a column might lie in few buckets."""
    return next(k for k in count(least) if _is_prime(k) and all(size % k for size in shape))


def _is_prime(number: int) -> bool:
    return number > 1 and all(number % k for k in range(2, math.isqrt(number) + 1))
