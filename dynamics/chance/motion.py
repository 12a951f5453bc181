"""What moved at all, and whether it rests at the end: the evidence where directions alone cannot decide."""

from dataclasses import dataclass

import numpy as np

from ..geometry.measures import gram

# The last fifth of a run is its end. A random walk goes √(1/5) of its way there; what rests goes less than this.
_END, _RESTS = 0.8, 0.15
# Rows that are looked at, as shares of the run; of a matrix too large to read so often only a few.
_SHARES, _FEW = (0, 0.2, 0.4, 0.6, 0.8, 0.85, 0.9, 0.95, 1), (0, 0.5, 0.8, 1)
_LARGE = 2**16
# What has changed by no more of its length than that is as it was, to rounding.
_SAME = 1e-6


@dataclass(frozen=True, eq=False)
class Moves:
    """Which features ever moved, (n,), and whether they rest at the end.

    A feature that only became shorter, along its own direction, was moved by weight decay and not by learning.
    """

    moved: np.ndarray
    rests: bool

    @property
    def any(self) -> bool:
        """Whether any feature moved."""
        return bool(self.moved.any())


def looked_at(rows: int, elements: int) -> list[int]:
    """Return the rows of a run of so many *rows* at which movement is looked at, in order."""
    shares = _FEW if elements > _LARGE else _SHARES
    return sorted({round(share * (rows - 1)) for share in shares})


def moves(W: np.ndarray, rows: np.ndarray) -> Moves:
    """Return what moved between the rows of W and whether it rests: at its end less than 0.15 of how far it ever went.

    Movement is that of the Gram matrix, which does not see a rotation of all features together; of hundreds of features
    that of W. Where nothing moved, all rests.

    Shapes: W (R, m, n) at the numbers *rows* (R,) of their rows, the last of them the last of the run.
    """
    W = np.asarray(W, dtype=np.float64)
    lengths = np.linalg.norm(W, axis=1)
    least = np.minimum(1, lengths / np.where(lengths[0] > 0, lengths[0], 1))
    change = np.abs(W - W[0] * least[:, None]).max(axis=(0, 1))
    moved = change > _SAME * np.maximum(lengths.max(axis=0), np.finfo(float).tiny)
    if W.shape[1] == 1:
        # On a line there is no direction to tell decay by.
        moved = np.ptp(lengths, axis=0) > _SAME * lengths.max(axis=0)
    return Moves(moved, _rests(gram(W) if W.shape[2] ** 2 <= _LARGE else W, np.asarray(rows)))


def moves_of(dimensionality: np.ndarray) -> Moves:
    """Return what moved, and whether it rests, by the dimensionalities (T, n) alone."""
    D = np.asarray(dimensionality, dtype=np.float64)
    return Moves(np.ptp(D, axis=0) > _SAME, _rests(D, np.arange(len(D))))


def _rests(values: np.ndarray, rows: np.ndarray) -> bool:
    """Return whether values (R, ...) at these rows go less far at their end than 0.15 of how far they ever went."""
    flat = values.reshape(len(values), -1)
    last = rows >= _END * rows[-1]
    went = np.linalg.norm(flat - flat[0], axis=1).max()
    at_end = np.linalg.norm(flat[last] - flat[-1], axis=1).max()
    return bool(at_end <= _RESTS * went)
