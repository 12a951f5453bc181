"""Three directions of the hidden space to look along: where the features of a run reach farthest, or those of a few."""

from collections.abc import Iterable, Sequence

import numpy as np

from ..signals import Signal, stripes

# A feature whose length, once the chosen directions are taken out of it, falls below this fraction of the longest
# one brings no direction of its own.
_NEGLIGIBLE = 0.1
# The first part of a run, in which every feature moves, says little about which ones a picture should follow.
_TRANSIENT = 0.1


def principal_directions(W: np.ndarray | Iterable[np.ndarray]) -> np.ndarray:
    """Return an orthonormal basis P (3, m) of the directions in which the features of a run reach farthest.

    Its rows are the leading eigenvectors of Σ_t W_t W_tᵀ, the largest first: the principal components of all features
    at all times, about the origin, which is where a feature begins. In fewer than three dimensions the last rows are 0.

    Shapes: W (T, m, n), (m, n), or one (m, n) after the other, of which one is in memory at a time -> (3, m); values
    that are not finite count as 0. Raises ValueError for other shapes.
    """
    if isinstance(W, np.ndarray) and W.ndim not in (2, 3):
        raise ValueError(f"W must have shape (T, m, n) or (m, n), got {W.shape}")
    matrices = [W] if isinstance(W, np.ndarray) and W.ndim == 2 else W
    scatter = np.sum([_scatter(each) for each in matrices], axis=0)
    m = len(scatter)
    _, vectors = np.linalg.eigh(scatter)
    basis = np.zeros((3, m))
    basis[: min(3, m)] = vectors[:, ::-1].T[:3]
    # An eigenvector may point either way; the one that is mostly positive is the same in every run of this function.
    return basis * np.where(basis.sum(axis=1, keepdims=True) < 0, -1.0, 1.0)


def _scatter(W: np.ndarray) -> np.ndarray:
    """Return W Wᵀ (m, m)."""
    finite = np.nan_to_num(W.astype(np.float64), posinf=0.0, neginf=0.0)
    return finite @ finite.T


def directions_of(W: np.ndarray, features: Sequence[int]) -> np.ndarray:
    """Return an orthonormal basis P (3, m) that shows some *features* of W as they are, such as those of one polytope.

    First come the directions that these features span, at most three, and what room they leave goes to those in which
    the other features reach farthest.

    Shapes: W (m, n) -> (3, m). Raises ValueError where *features* is empty or holds one that is not among the n.
    """
    W = np.nan_to_num(np.asarray(W, dtype=np.float64), posinf=0.0, neginf=0.0)
    m, n = W.shape
    chosen = sorted(set(features))
    if not chosen or chosen[0] < 0 or chosen[-1] >= n:
        raise ValueError(f"features={list(features)} must be some of the features 0 to {n - 1}")
    own, lengths, _ = np.linalg.svd(W[:, chosen], full_matrices=False)
    spanned = own[:, lengths > 1e-6 * max(lengths[0], np.finfo(float).tiny)][:, :3]
    rest = W - spanned @ (spanned.T @ W)
    others = np.linalg.svd(np.column_stack([rest, np.eye(m) * 1e-9]), full_matrices=False)[0]
    # Orthonormalised once more, since the last of them are as good as lost in rounding.
    basis, _ = np.linalg.qr(np.column_stack([spanned, others - spanned @ (spanned.T @ others)]))
    shown = np.zeros((3, m))
    shown[: min(3, m)] = basis.T[:3]
    return shown


def projection(W: np.ndarray, dimensionality: Signal) -> np.ndarray:
    """Return an orthonormal basis P (3, m) to look at a run through, P W_i being the place of feature i.

    Up to three hidden dimensions are shown as they are (missing ones as 0). Of more, the directions of those features
    that end in three different directions and whose dimensionality moved most after the first tenth of the run: an
    antipodal pair is one direction, so five digons of which three moved show as an octahedron.

    Shapes: W (T, m, n), dimensionality (T, n), which is read a few features at a time -> (3, m).
    """
    m = W.shape[1]
    if m <= 3:
        return np.eye(3, m)
    first = int(_TRANSIENT * dimensionality.shape[0])
    movement = np.concatenate([np.ptp(values[first:], axis=0) for _, values in stripes(dimensionality)])
    return _pivoted_directions(W[-1], np.nan_to_num(movement))


def _pivoted_directions(W: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return three orthonormal directions by Gram-Schmidt, the heaviest of the columns that are left coming next."""
    rest = np.nan_to_num(W.astype(float))
    longest = np.linalg.norm(rest, axis=0).max()
    basis = []
    for axis in range(3):
        length = np.linalg.norm(rest, axis=0)
        usable = length > max(_NEGLIGIBLE * longest, np.finfo(float).tiny)
        if usable.any():
            chosen = np.argmax(np.where(usable, weight * length, -1.0))
            direction = rest[:, chosen] / length[chosen]
        else:
            direction = _any_other_direction(basis, W.shape[0], axis)
        basis.append(direction)
        rest = rest - np.outer(direction, direction @ rest)
    return np.array(basis)


def _any_other_direction(basis: list[np.ndarray], m: int, axis: int) -> np.ndarray:
    """Return a unit vector orthogonal to *basis*: the last of an orthonormal system that begins with it."""
    system, _ = np.linalg.qr(np.column_stack([*basis, np.eye(m)]))
    return system[:, axis]
