"""The geometric transformation of a set of features: rotation or reflection, scale, stretch, shift, and the rest."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

# A direction in which a set has less than this share of its size is one that it does not span.
ROUNDING = 1e-9
# A map with a shift has to leave so much less, squared, than one without.
_SHIFT_GAIN = 100.0
# With a shift, two features can always be brought onto two others.
_FEWEST = 3


@dataclass(frozen=True, eq=False)
class Motion:
    """How a set of features moved: W1 ≈ rotation · stretch · W0 + translation.

    rotation is an orthogonal (m, m) matrix, of determinant -1 if *reflected*; angle is the largest by which it turns
    any plane, in degrees, beside the mirror; axis is the unit vector it turns about, counter-clockwise, in three
    dimensions, else None (and None where the angle is 0); scale is the root-mean-square of the principal stretches
    and stretches are those divided by it, the largest first, one for each dimension that the set spans; translation
    is (m,); residual is the length of what no such map gives, relative to the set's own, |W1 - …| / max(|W0|, |W1|).
    """

    features: tuple[int, ...]
    rotation: np.ndarray
    angle: float
    reflected: bool
    scale: float
    stretches: np.ndarray
    translation: np.ndarray
    residual: float
    axis: np.ndarray | None


def transformation(
    W0: np.ndarray, W1: np.ndarray, features: Sequence[int] | None = None, *, flat: float = ROUNDING
) -> Motion:
    """Return the transformation that takes the features from W0 to W1, W1 ≈ Q P W0 + t.

    The linear map A = Q P is the one of least squares, split into its orthogonal part Q and the symmetric stretch P
    (the polar decomposition) on the space that the set spans in W0. Directions outside of that space, and those that
    the map collapses, turn as little as the rest allows: Q is a reflection only where the features leave no choice.

    The origin means something to features, so the shift t is 0 unless a map that has one leaves a tenth or less of
    what one without leaves: of the residual, for each degree of freedom; where the set has too few features for that,
    as three in three dimensions, which every linear map fits, of the residual of the similarity scale · Q alone.

    *flat* is the share of a set's size below which an extent counts as none; 0.1 reads a set that is merged but for
    noise as one direction, and leaves its opening to the residual.

    Shapes: W0 and W1 (m, n); features, the indices of the set, all where None. Costs O(m² n). Raises ValueError when
    the shapes differ, a value is not finite, or a feature is not in W.
    Source: Toy Models of Superposition, "Superposition and Learning Dynamics", phenomenon 2.
    """
    W0, W1 = _matrices(W0, W1)
    chosen = _indices(features, W0.shape[1])
    X0, X1 = W0[:, chosen], W1[:, chosen]
    linear = _fit(X0, X1, np.zeros((len(X0), 1)), np.zeros((len(X0), 1)), flat)
    affine = _fit(X0, X1, X0.mean(1, keepdims=True), X1.mean(1, keepdims=True), flat)
    best = affine if _needs_shift(linear, affine, ROUNDING**2 * np.square(X1).sum(), X0.shape[1]) else linear
    size = max(np.linalg.norm(X0), np.linalg.norm(X1))
    angle, axis = angle_and_axis(best.rotation)
    return Motion(
        features=tuple(chosen.tolist()),
        rotation=best.rotation,
        angle=angle,
        reflected=bool(np.linalg.det(best.rotation) < 0),
        scale=best.scale,
        stretches=best.stretches,
        translation=best.translation,
        residual=float(np.sqrt(best.remainder) / size) if size else 0.0,
        axis=axis,
    )


class _Map(NamedTuple):
    """One fitted map, with what it leaves over, squared, and what its similarity alone does; freedom in features."""

    rotation: np.ndarray
    scale: float
    stretches: np.ndarray
    translation: np.ndarray
    remainder: float
    unlike: float
    freedom: int


def _needs_shift(linear: _Map, affine: _Map, rounding: float, count: int) -> bool:
    if count < _FEWEST:
        return False
    if affine.freedom > 0:
        without, having = linear.remainder / linear.freedom, affine.remainder / affine.freedom
    else:
        without, having = linear.unlike, affine.unlike
    return without > _SHIFT_GAIN * (having + rounding)


def _fit(X0: np.ndarray, X1: np.ndarray, c0: np.ndarray, c1: np.ndarray, flat: float) -> _Map:
    """Fit the map that takes the centre c0 to c1, and what is around the one to what is around the other."""
    basis, extent, shares = np.linalg.svd(X0 - c0, full_matrices=False)
    spanned = extent > flat * np.linalg.norm(X0)
    basis, image = basis[:, spanned], (X1 - c1) @ shares[spanned].T / extent[spanned]
    to, principal, at = np.linalg.svd(image, full_matrices=False)
    scale = float(np.sqrt(np.square(principal).mean())) if principal.size else 1.0
    kept = principal > flat * scale
    rotation = _complete(to[:, kept], basis @ at[kept].T)
    # Outside of what the set spans there is the similarity alone.
    A = image @ basis.T + scale * (rotation - rotation @ basis @ basis.T)
    remainder = np.square(X1 - c1 - A @ (X0 - c0)).sum()
    unlike = np.square(X1 - c1 - scale * rotation @ (X0 - c0)).sum()
    return _Map(
        rotation=rotation,
        scale=scale,
        stretches=principal / scale if scale else np.ones_like(principal),
        translation=(c1 - A @ c0)[:, 0],
        remainder=float(remainder),
        unlike=float(unlike),
        # A centre that is fitted takes one more.
        freedom=X0.shape[1] - int(spanned.sum()) - int(c0.any() or c1.any()),
    )


def _complete(to: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return the orthogonal matrix that takes the orthonormal columns of *at* to those of *to* and turns least."""
    rank = at.shape[1]
    free_at = np.linalg.svd(at)[0][:, rank:]
    free_to = np.linalg.svd(to)[0][:, rank:]
    U, _, V = np.linalg.svd(free_to.T @ free_at)
    rotation = to @ at.T + free_to @ U @ V @ free_at.T
    if U.size and np.linalg.det(rotation) < 0:
        # The direction that gives way is the one that had to turn most anyway.
        U[:, -1] *= -1
        rotation = to @ at.T + free_to @ U @ V @ free_at.T
    return rotation


def angle_and_axis(rotation: np.ndarray) -> tuple[float, np.ndarray | None]:
    """Return the largest angle by which an orthogonal matrix turns a plane, in degrees, and in 3D the axis, else None.

    A reflection counts without its mirror. Shapes: rotation (m, m) -> axis (3,).
    """
    values = np.linalg.eigvals(rotation)
    if np.linalg.det(rotation) < 0:
        values = np.delete(values, np.argmin(values.real))
    angle = float(np.abs(np.angle(values)).max(initial=0))
    if len(rotation) != 3 or angle < ROUNDING:
        return float(np.degrees(angle)), None
    proper = rotation * np.sign(np.linalg.det(rotation))
    skew = proper - proper.T
    # The axis is what the proper rotation leaves in place; of its two senses one sees it turn counter-clockwise.
    axis = np.linalg.svd(proper - np.eye(3))[2][-1]
    sense = axis @ np.array([skew[2, 1], skew[0, 2], skew[1, 0]])
    return float(np.degrees(angle)), -axis if sense < 0 else axis


def _matrices(W0: np.ndarray, W1: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    W0, W1 = np.asarray(W0, dtype=np.float64), np.asarray(W1, dtype=np.float64)
    if W0.ndim != 2 or W0.shape != W1.shape:
        raise ValueError(f"W0 and W1 must have the same shape (m, n), got {W0.shape} and {W1.shape}; give two rows")
    if not (np.isfinite(W0).all() and np.isfinite(W1).all()):
        raise ValueError("W0 or W1 holds a value that is not finite; give rows from before the loss diverged")
    return W0, W1


def _indices(features: Sequence[int] | None, n: int) -> np.ndarray:
    chosen = np.arange(n) if features is None else np.asarray(features, dtype=int)
    if not chosen.size or chosen.min() < 0 or chosen.max() >= n:
        raise ValueError(f"features={features} must name one or more of the {n} features, 0 to {n - 1}")
    return chosen
