"""What moves in a run, and when: each set by itself, the sets against each other, or the loss alone."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ..geometry.measures import gram
from ..polytopes.identification import NEGLIGIBLE
from ..signals import Signal, pieces

# A run is told in so many parts, the later ones longer, since learning slows down.
PARTS = 200
# Parts within this share of all are compared; a difference below the threshold is no movement.
_WINDOW = 0.06
_STILL = 0.2
# Over any longer time it is one from here on: noise wanders.
_SLOW = 0.3
# So many neighbouring parts are averaged, for the first ones are single rows, with all their noise.
_SMOOTH = 5
# A movement begins when this share of it is done, and ends when this share is left.
_EDGE = 0.05


class Parts(NamedTuple):
    """A run cut into K parts: the first and last row of each, (K,), its mean W (K, m, n), and its mean loss (K,)."""

    first: np.ndarray
    last: np.ndarray
    W: np.ndarray
    loss: np.ndarray | None


def cut(W: Signal | np.ndarray, loss: np.ndarray | None) -> Parts:
    """Cut a run into at most 200 parts, part k from row T (k/200)² on; each row of W is read once, piece by piece.

    Missing values of the loss (NaN) are left out; a part that has no others takes what lies between its neighbours'.

    Shapes: W (T, m, n), loss (T,).
    """
    edges = np.unique(np.round(W.shape[0] * np.linspace(0, 1, PARTS + 1) ** 2).astype(int))
    first, stop = edges[:-1], edges[1:]
    means = np.zeros((len(first), *W.shape[1:]))
    for rows, values in pieces(W):
        within = range(np.searchsorted(stop, rows.start, "right"), np.searchsorted(first, rows.stop))
        for k in within:
            a, b = max(first[k], rows.start) - rows.start, min(stop[k], rows.stop) - rows.start
            # Infinities of both signs have no sum, and no mean either.
            with np.errstate(invalid="ignore"):
                means[k] += values[a:b].sum(axis=0, dtype=np.float64)
    means /= (stop - first)[:, None, None]
    if loss is not None:
        known = np.isfinite(loss)
        counts, sums = (np.add.reduceat(each, first) for each in (known.astype(int), np.where(known, loss, 0)))
        full = np.flatnonzero(counts)
        loss = np.interp(np.arange(len(first)), full, sums[full] / counts[full]) if full.size else None
    return Parts(first, stop - 1, means, loss)


def label(parts: Parts, sets: Sequence[Sequence[int]]) -> np.ndarray:
    """Return for each part what moves in it: *alone*, *against*, *loss* or *rest*; of shape (K,).

    A set moves alone where its Gram matrix changes. Where none does, sets move against each other where their inner
    products do; either counts in units of the largest Gram matrix that any set has in the run. Neither sees a rotation
    of all features together, which changes nothing. Where the features rest, the loss counts by its logarithm.
    """
    G = gram(parts.W)
    members = [feature for set_ in sets for feature in set_]
    alone = [_entries(G, set_, set_) for set_ in sets]
    against = [_entries(G, set_, [other for other in members if other not in set_]) for set_ in sets]
    size = max(np.linalg.norm(each, axis=1).max() for each in alone) or 1.0
    # As long as nothing is represented, the features are on their way up.
    lengths = np.linalg.norm(parts.W[:, :, members], axis=(1, 2))
    labels = np.where(lengths < NEGLIGIBLE * lengths.max(), "alone", "rest").astype("<U7")
    _mark(labels, "alone", [each / size for each in alone])
    _mark(labels, "against", [each / size for each in against])
    if parts.loss is not None and (parts.loss > 0).all():
        _mark(labels, "loss", [np.log(parts.loss)[:, None]])
    return labels


def stretches_of(labels: np.ndarray) -> list[tuple[int, int]]:
    """Return [start, stop) of each stretch of equal labels, in order."""
    edges = [0, *(np.flatnonzero(labels[1:] != labels[:-1]) + 1).tolist(), len(labels)]
    return list(pairwise(edges))


def _entries(G: np.ndarray, rows: Sequence[int], columns: Sequence[int]) -> np.ndarray:
    return G[:, list(rows)][:, :, list(columns)].reshape(len(G), -1)


def _mark(labels: np.ndarray, name: str, signals: Sequence[np.ndarray]) -> None:
    """Give the *name* to the parts at rest in which any of the signals moves, in place."""
    from scipy.ndimage import uniform_filter1d

    half = max(1, round(_WINDOW * len(labels) / 2))
    for start, stop in stretches_of(labels):
        if labels[start] == "rest":
            # What moved before and after has no part in the change.
            smooth = [uniform_filter1d(signal[start:stop], _SMOOTH, axis=0, mode="nearest") for signal in signals]
            moving = [_moving(signal, half) for signal in smooth]
            labels[start:stop][np.logical_or.reduce(moving)] = name


def _moving(signal: np.ndarray, half: int) -> np.ndarray:
    """Return where a signal (K, d) changes by 0.2 within 2 half parts, or by 0.3 over more; bool (K,)."""
    K = len(signal)
    rows = np.arange(K)
    change = signal[np.minimum(rows + half, K - 1)] - signal[np.maximum(rows - half, 0)]
    active = np.linalg.norm(change, axis=1) > _STILL
    found = np.zeros(K, dtype=bool)
    for start, stop in stretches_of(active):
        if active[start]:
            # The window sees a movement before it begins and after it has ended.
            start, stop = max(0, start - half), min(K, stop + half)
        elif np.linalg.norm(signal[stop - 1] - signal[start]) <= _SLOW:
            continue
        begin, end = _edges(signal[start:stop])
        found[start + begin : start + end + 1] = True
    return found


def _edges(signal: np.ndarray) -> tuple[int, int]:
    """Return where the way from the first to the last value has 5 % done, and 5 % left."""
    way = signal[-1] - signal[0]
    length = way @ way
    if length < _STILL**2:
        # It went out and came back.
        return 0, len(signal) - 1
    done = (signal - signal[0]) @ way / length
    middle = int((done >= 1 / 2).argmax())
    begin = np.flatnonzero(done[:middle] < _EDGE)
    return int(begin[-1]) if begin.size else 0, middle + int((done[middle:] > 1 - _EDGE).argmax())
