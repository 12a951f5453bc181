"""A point where a loss may be at rest, with its curvatures, and what speaks against that."""

from dataclasses import dataclass

import torch
from torch import Tensor

from .hamiltonian import BatchLoss, value_and_slope

# γ from strong to weak, in units of √(nβ): how far from the point the draws may go, about 1/√γ. What curves along
# itself, as the orbit of a rotation does, is explored down to about 1; (ab)² and the like need less than 1.
LOCALISATIONS = tuple(float(10 ** (1 - k / 2)) for k in range(10))
# Central differences of the gradient, in units of the point: at a kink they see the mean of both sides.
_DIFFERENCE = 1e-5
# An eigenvalue below minus this fraction of the greatest is negative. Of a point that slopes, it has to be below so
# many times the curvature that would account for its height above the bottom, and below what a kink nearby may feign.
_NEGATIVE, _SLOPING, _FEIGNED = 1e-6, 3.0, 0.02
# How far, in nβ(L - L₀), a point may be above the bottom: the resolution is lowered until it is. Below the second, in
# units of the greatest curvature, it would see nothing.
_ABOVE, _COARSEST = 0.5, 3000.0


@dataclass(frozen=True, eq=False)
class RestingPoint:
    """A point θ (d,) with its curvatures (d,), ascending, and their directions (d, d), the columns of basis.

    n_beta is the resolution at which it counts as at rest, above how far in nβ(L - L₀) it is above the bottom that its
    slope foretells; refusal says why it is not at rest, None where it is.
    """

    theta: Tensor
    curvatures: Tensor
    basis: Tensor
    n_beta: float
    above: float
    refusal: str | None

    @classmethod
    def of(cls, loss: BatchLoss, theta: Tensor, n_beta: float) -> "RestingPoint":
        """Look at a point, with a resolution of at most n_beta."""
        base, slope = value_and_slope(loss, theta[None])
        curvatures, basis = torch.linalg.eigh(_hessian(loss, theta))
        if not (base.isfinite().all() and slope.isfinite().all()):
            return cls(theta, curvatures, basis, n_beta, 0.0, "not a finite loss")
        fall = _foretold_fall(slope[0] @ basis, curvatures, n_beta)
        resolution = min(n_beta, _ABOVE / fall) if fall > 0 else n_beta
        greatest = float(curvatures.abs().max())
        least = _FEIGNED if resolution < n_beta else _NEGATIVE
        tolerance = least * greatest + _SLOPING * (2 * fall * greatest) ** 0.5
        negative = int((curvatures < -tolerance).sum())
        refusal = f"a saddle of index {negative}" if negative else None
        if resolution < n_beta and resolution * greatest < _COARSEST:
            refusal = f"a slope: the loss falls by {fall:.2g} beside it"
        return cls(theta, curvatures, basis, resolution, resolution * fall, refusal)

    @property
    def localisations(self) -> list[float]:
        """The γ to draw at, from strong to weak."""
        return [gamma * self.n_beta**0.5 for gamma in LOCALISATIONS]

    def effective_dimension(self, localisation: float) -> float:
        """Return Σ_k nβh_k / (nβh_k + γ) over the curvatures above 0."""
        stiff = self.n_beta * self.curvatures.clamp(min=0)
        return float((stiff / (stiff + localisation)).sum())


def _foretold_fall(slope: Tensor, curvatures: Tensor, n_beta: float) -> float:
    """Return Σ_k g_k² / 2|h_k|: how far the loss falls from a place to the point that its Hessian foretells.

    Directions without curvature count as if they had as much as the strongest localisation gives them.
    """
    least = LOCALISATIONS[0] / n_beta**0.5
    return float((slope.square() / (2 * curvatures.abs().clamp(min=least))).sum())


def _hessian(loss: BatchLoss, theta: Tensor) -> Tensor:
    """Return H by central differences of the gradient, (d, d); exact enough, and defined where the loss has a kink."""
    d = len(theta)
    steps = _DIFFERENCE * max(1.0, float(theta.abs().max())) * torch.eye(d, dtype=theta.dtype)
    _, slopes = value_and_slope(loss, torch.cat([theta + steps, theta - steps]))
    H = (slopes[:d] - slopes[d:]) / (2 * float(steps[0, 0]))
    return ((H + H.T) / 2).nan_to_num()
