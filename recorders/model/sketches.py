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
from functools import cache
from itertools import count

import numpy as np
import torch
from torch import Tensor

# All sketches of a model together have about so many numbers, and no parameter that has so many has fewer.
BUCKETS, FEWEST = 8192, 31
# What every sketch is drawn from, so that those of two recordings can be compared.
SEED = 18
# Elements that are done at once: a core's own cache holds them, their signs and their products.
_RUN = 2**15
# The table of signs has so many places to begin at.
_PLACES = 2**16


def bucket_counts(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    """Return in how many buckets each parameter goes, by its share of all elements; as many as it has is a copy."""
    total = sum(math.prod(shape) for shape in shapes.values())
    counts = {}
    for name, shape in shapes.items():
        size = math.prod(shape)
        wanted = max(FEWEST, round(BUCKETS * size / max(total, 1)))
        prime = _prime_from(min(wanted, _RUN // 4), shape)
        counts[name] = size if size <= prime else prime
    return counts


class Projection:
    """Makes the sketch of one parameter; what it holds is small beside the parameter."""

    def __init__(self, name: str, size: int, buckets: int, device: torch.device | str = "cpu"):
        self.size, self.buckets = size, buckets
        self.is_exact = size == buckets
        self._length = buckets * (_RUN // buckets) if buckets else 0
        runs = 0 if self.is_exact else -(-size // self._length)
        words = _words(name, runs)
        # Each run has its row, in which its buckets begin at a place of their own, and a sign.
        self._sums = torch.zeros(runs, 2 * buckets, device=device)
        self._turns = torch.from_numpy(1 - 2 * (words >> np.uint64(63)).astype(np.float32)).to(device)
        self._runs = [self._run(k, word, device) for k, word in enumerate(words.tolist())]

    def of(self, flat: Tensor) -> Tensor:
        """Return the sketch of the parameter's elements (size,) as they are now; (buckets,) float32."""
        if self.is_exact:
            return flat.float()
        for part, (signs, products, beyond, table, target) in zip(flat.split(self._length), self._runs, strict=True):
            torch.mul(part, signs, out=products)
            beyond.zero_()
            torch.sum(table, 0, out=target)
        total = self._turns @ self._sums
        return total[: self.buckets] + total[self.buckets :]

    def _run(self, k: int, word: int, device: torch.device | str) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        count = min(self._length, self.size - k * self._length)
        place, first = word % _PLACES, (word >> 20) % 2**40 % self.buckets
        signs, room = _signs(str(device)), _room(str(device))
        height = -(-count // self.buckets)
        table = room[: height * self.buckets]
        target = self._sums[k, first : first + self.buckets]
        return signs[place : place + count], table[:count], table[count:], table.view(height, self.buckets), target


@cache
def _signs(device: str) -> Tensor:
    size = _PLACES + _RUN
    words = np.random.PCG64(SEED).random_raw(-(-size // 64))
    bits = np.unpackbits(words.astype("<u8").view(np.uint8), bitorder="little")[:size]
    return torch.from_numpy(1 - 2 * bits.astype(np.float32)).to(device)


@cache
def _room(device: str) -> Tensor:
    return torch.empty(_RUN, device=device)


def _words(name: str, number: int) -> np.ndarray:
    """Return so many random words of 64 bits, which the name alone decides: other parameters do not change them."""
    return np.random.PCG64([SEED, zlib.crc32(name.encode())]).random_raw(number)


def _prime_from(least: int, shape: tuple[int, ...]) -> int:
    """Return a prime, *least* or the next, that divides no axis: else a column might lie in few buckets."""
    return next(k for k in count(least) if _is_prime(k) and all(size % k for size in shape))


def _is_prime(number: int) -> bool:
    return number > 1 and all(number % k for k in range(2, math.isqrt(number) + 1))
