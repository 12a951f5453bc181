"""One signal of a recording, as its rows and as its blocks, and what can be asked of a stretch of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .blocks import Blocks
from .ramps import fit_ramp
from .sides import NEAR, Sides, look

Span = tuple[int, int]

# A ramp of height 1 of which no more is left than that is rounding.
_NOTHING = 1e-6


@dataclass(frozen=True, eq=False)
class Track:
    """One signal: its rows (T,), its blocks (G,) of *size* rows, the steps of both, the noise of a block."""

    rows: np.ndarray
    blocks: np.ndarray
    size: int
    step: np.ndarray
    block_step: np.ndarray
    noise: float

    def times(self, span: Span) -> tuple[float, float]:
        """Return a span of rows in blocks, whose middles lie at 0, 1, 2 …."""
        return (span[0] + 0.5) / self.size - 0.5, (span[1] + 0.5) / self.size - 0.5

    def ramp(self, span: Span, bounds: Span) -> Span:
        """Return the best ramp about *span* and within *bounds*, all in rows."""
        reach = max(2 * (span[1] - span[0]), NEAR * self.size)
        low, high = max(bounds[0], span[0] - reach), min(bounds[1], span[1] + reach)
        return fit_ramp(self.rows, low, high + 1, self.noise * self.size**0.5)

    def sides(self, span: Span, bounds: Span) -> Sides:
        """Return the plateaus on both sides of *span*, which reach to *bounds*, all in rows."""
        return look(self.blocks, self.block_step, self.times(span), self.whole_blocks(bounds), self.noise)

    def shape(self, span: Span, blocks: np.ndarray) -> np.ndarray:
        """Return how much of a ramp over the rows *span* is done in each of *blocks*, from 0 to 1."""
        begin, end = self.times(span)
        return np.clip((blocks - begin) / (end - begin), 0, 1)

    def beyond(self, span: Span, blocks: np.ndarray, basis: np.ndarray) -> float:
        """Return what *blocks* (k,) show of a ramp over *span* beyond the columns of *basis* (k, m), in its errors.

        It is 0 where the columns can make that ramp, and nothing is left of it to be seen.
        """
        ramp = rest(self.shape(span, blocks), basis)
        length = float(np.linalg.norm(ramp))
        return abs(float(ramp @ self.blocks[blocks])) / (self.noise * length) if length > _NOTHING else 0.0

    def whole_blocks(self, bounds: Span) -> Span:
        """Return the first and the last block all of whose rows lie within *bounds*."""
        return -(-bounds[0] // self.size), min((bounds[1] + 1) // self.size, len(self.blocks)) - 1


def rest(y: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Return what the columns of *basis* (k, m) leave of *y* (k,)."""
    return y - basis @ np.linalg.lstsq(basis, y, rcond=None)[0]


def block_steps(step: np.ndarray, blocks: Blocks) -> np.ndarray:
    """Return the mean step (G,) of each block."""
    count = len(blocks.means)
    return step[: count * blocks.size].reshape(count, -1).mean(axis=1)


def between(spans: Sequence[Span], rows: int) -> list[Span]:
    """Return for each of *spans*, in order of time, where the one before it ends and the one after it starts."""
    edges = [0, *(edge for span in spans for edge in span), rows - 1]
    return [(edges[2 * k], edges[2 * k + 3]) for k in range(len(spans))]
