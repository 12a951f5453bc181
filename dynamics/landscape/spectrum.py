"""The curvature of the loss at a point of a run: is it a slope, a saddle or the bottom of a valley?"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .derivatives import Loss, LossPoint, shifted
from .lanczos import estimate_trace, extreme_eigenvalues
from .symmetries import Across

# Up to here all eigenvalues cost less than Lanczos' method with its restarts.
EXACT_SIZE = 600
# How well Lanczos' method knows an eigenvalue, as a fraction of the greatest.
_ACCURACY = 1e-8
# With the symmetries taken out, a curvature of this fraction of the greatest is none.
_DISTINCT = 1e-7
# A Hessian jumps at θ if it changes by this fraction across two such steps, in fractions of |θ|, and by no less across
# the shorter; a smooth one changes by a tenth across a tenth of the way.
_STEPS = (1e-6, 1e-7)
_JUMP = 1e-3


@dataclass(frozen=True, eq=False)
class Curvature:
    """The second-order picture of a loss at one point θ, in the N directions that are looked at.

    eigenvalues (k,) of the Hessian ascend, each known to within its error (k,); eigenvalues that are not among them,
    if k < N, lie in the interval *unlisted*. trace is exact, or has the standard error trace_error. An eigenvalue
    counts as zero where it is within *tolerance* of it.
    """

    loss: float
    gradient_norm: float
    size: int
    eigenvalues: np.ndarray
    errors: np.ndarray
    unlisted: tuple[float, float]
    trace: float
    trace_error: float
    tolerance: float

    @property
    def saddle_index(self) -> int | None:
        """The number of directions in which the loss curves down; None where unlisted eigenvalues may be among them."""
        known = self.unlisted[0] >= -self.tolerance
        return int((self.eigenvalues < -self.tolerance).sum()) if known else None

    @property
    def zero_modes(self) -> int | None:
        """The number of directions without curvature; None where unlisted eigenvalues may be among them."""
        known = self.unlisted[0] > self.tolerance or self.unlisted[1] < -self.tolerance
        return int((abs(self.eigenvalues) <= self.tolerance).sum()) if known else None


def curvature(
    loss: Loss,
    *parameters: Any,
    count: int = 10,
    tolerance: float | None = None,
    exact_up_to: int = EXACT_SIZE,
    symmetries: np.ndarray | None = None,
) -> Curvature:
    """Return gradient norm and Hessian spectrum of a loss, L(θ + δ) = L + g·δ + δ·H δ / 2 + …

    Up to *exact_up_to* parameters all eigenvalues, beyond that at least *count* from each end (extreme_eigenvalues).
    The default tolerance is how well the eigenvalues are known plus |g| / |θ|: a symmetry of the loss moves θ along a
    direction without curvature at a critical point, and away from one its curvature is of that size. On a row that the
    noise of minibatches keeps away from the critical point this hides weak curvatures, and the saddle_index is a lower
    bound. Given the *symmetries*, the directions (k, N) in which they move θ, such as rotations() of W, the curvatures
    are those across them (see symmetries.Across); then none is hidden, but what is below 1e-7 of the greatest.

    loss(*tensors) returns a scalar tensor, differentiable twice, always over the same data; parameters are arrays, such
    as W and b of one row of a recording. They are flattened one after the other and computed with in float64.
    Raises ValueError where the loss is not a finite number.
    Source: Sagun et al. 2017, arXiv 1706.04454; Ghorbani et al. 2019, arXiv 1901.10159.
    """
    point = LossPoint(loss, parameters)
    if symmetries is None:
        return curvature_at(point, count=count, tolerance=tolerance, exact_up_to=exact_up_to)
    found = curvature_at(Across(point, symmetries), count=count, tolerance=0, exact_up_to=exact_up_to)
    least = float(found.errors.max(initial=0) + _DISTINCT * abs(found.eigenvalues).max(initial=0))
    return replace(found, tolerance=least if tolerance is None else tolerance)


def curvature_at(
    point: LossPoint | Across, *, count: int = 10, tolerance: float | None = None, exact_up_to: int = EXACT_SIZE
) -> Curvature:
    """Return the same as curvature() for a point whose derivatives are at hand."""
    if point.size <= exact_up_to:
        values = np.linalg.eigvalsh(point.hessian())
        accuracy = _rounding(values)
        errors = np.full(point.size, accuracy)
        unlisted, trace, trace_error = (np.inf, -np.inf), float(values.sum()), 0.0
    else:
        found = extreme_eigenvalues(point.product, point.size, count=count, tolerance=_ACCURACY)
        values, errors, unlisted = found.values, found.errors, found.unlisted
        accuracy = 2 * _ACCURACY * float(abs(values).max(initial=0))
        trace, trace_error = estimate_trace(point.product, point.size)
    gradient_norm = float(np.linalg.norm(point.gradient))
    if tolerance is None:
        tolerance = accuracy + gradient_norm / (point.scale or 1)
    return Curvature(point.loss, gradient_norm, point.size, values, errors, unlisted, trace, trace_error, tolerance)


def is_twice_differentiable(loss: Loss, *parameters: Any, seed: int = 0) -> bool:
    """Return whether the Hessian is the same on both sides of a point, along a random line through it.

    A ReLU whose preactivation sits at 0 for a share of the inputs gives a loss that has a gradient there but two
    Hessians or more, such as that of the square at b = 0: its eigenvalues and saddle index then depend on which is
    taken. Costs five Hessian-vector products.
    """
    here = LossPoint(loss, parameters)
    line, probe = (v / np.linalg.norm(v) for v in np.random.default_rng(seed).normal(size=(2, here.size)))

    def change(step: float) -> float:
        to = step * (here.scale or 1) * line
        ahead, behind = (LossPoint(loss, shifted(parameters, end)).product(probe) for end in (to, -to))
        return float(np.linalg.norm(ahead - behind))

    wide, narrow = (change(step) for step in _STEPS)
    return bool(wide <= _JUMP * np.linalg.norm(here.product(probe)) or narrow < wide / 2)


def _rounding(values: np.ndarray) -> float:
    """Return the rounding error of eigenvalues from a matrix that is itself rounded."""
    return 10 * len(values) * np.finfo(float).eps * float(abs(values).max(initial=0))
