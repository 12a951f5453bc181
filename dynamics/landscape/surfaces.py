"""Loss surfaces of the toy model that have a second derivative.

The loss of a sample, (x - ReLU(z))², has a kink where z passes 0 while x > 0. Its slope jumps there, and the second
derivative of a mean over samples never sees it: differentiated sample by sample, the loss lacks the part of its
curvature that comes from kinks being moved, however many samples there are. Here nothing is sampled.
"""

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor

from ..errors import SettingError
from ..experiments.experiment import Experiment
from ..training.feature_data import FeatureDistribution
from ..training.loop import build_features
from .kinks import integrated_error
from .transforms import Line, expected_error, second_moments


def one_hot_loss(W: Tensor, b: Tensor, importance: Tensor | float = 1.0) -> Tensor:
    """Return the exact loss where exactly one feature is on, each as often as the others.

    L = 1/n Σ_j Σ_i I_i ∫₀¹ (δ_ij t - ReLU(W_i·W_j t + b_i))² dt, the L_1 of the paper's expansion divided by n.

    Shapes: W (..., m, n), b (..., n), importance (n,) or a number -> (...). Once differentiable everywhere, twice
    except where some W_i·W_j and b_i are both 0, as in the square, or where |W_i|² + b_i = 0.
    Source: Toy Models of Superposition, "Superposition as a Phase Change"; Chen et al. 2023, arXiv 2310.06301.
    """
    n = b.shape[-1]
    G = W.mT @ W
    errors = integrated_error(G, b[..., None, :].expand(G.shape), torch.eye(n, dtype=W.dtype))
    return (errors * importance).sum((-2, -1)) / n


class PopulationSurface:
    """The population loss of one toy model as a smooth function of W and b: call it with float64 tensors.

    L(W, b) = Σ_i w_i E(x_i - ReLU(Σ_j G_ij x_j + b_i + βε))² with G = W^T W and ε normal, exact to about ten digits
    (expected_error), and without the ReLU where *linear*. Nothing is sampled, so that it keeps every symmetry:
    rotations of hidden space, and exchanges of features that are alike.

    Without the jitter βε one kink would be left: where the bias of a feature, or all that reaches its output while it
    is off, is 0. Critical points like to sit there (merged features answer exactly nothing to each other), and the loss
    has a gradient but no one Hessian. *blur*, β, makes it a smooth turn; overlaps and biases move by about as much.

    loss_weights w are the importances I_i, divided by n where the loss is the mean over features.
    Raises ValueError where the features have several densities, one for each instance, or are signed, or blur is not
    above 0.
    Source: Toy Models of Superposition, "Experiment Setup", for the loss.
    """

    def __init__(
        self,
        features: FeatureDistribution,
        loss_weights: Sequence[float],
        *,
        linear: bool = False,
        blur: float = 0.01,
    ):
        if isinstance(features.density, tuple):
            raise ValueError(f"density={features.density} is that of several models; choose one of them")
        if features.signed:
            raise ValueError("signed=True: the toy model's features are not negative; leave signed at False")
        if not blur > 0:
            raise ValueError(f"blur={blur}: the loss has no second derivative without one; give a small number above 0")
        self._features = features
        self._weights = torch.tensor(loss_weights, dtype=torch.float64)
        self._linear = linear
        self._blur = blur

    @classmethod
    def of(cls, experiment: Experiment, *, member: int = 0, blur: float = 0.01) -> "PopulationSurface":
        """Return the surface that a *member* of the experiment's ensemble moves on.

        Raises SettingError where the experiment has no such member, or another model.
        """
        if experiment.model != "toy":
            raise SettingError(f"model={experiment.model!r} of {experiment.name!r} has no such surface; use model=toy")
        alone = experiment.member(member)
        return cls(
            build_features(alone),
            cast("tuple[float, ...]", alone.loss_weights()),
            linear=alone.nonlinearity == "linear",
            blur=blur,
        )

    def __call__(self, W: Tensor, b: Tensor) -> Tensor:
        """Return the loss; shapes W (m, n), b (n,) -> (). It can be differentiated twice."""
        return self.expanded(W.detach(), b.detach())(W, b)

    def expanded(self, W: Tensor, b: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
        """Return a polynomial of G = W^T W and b with this surface's value, gradient and Hessian at (W, b).

        Output i depends on row i of G and on b_i alone, so that its second derivatives are one (n+1, n+1) matrix for
        each i. With them summed once, each product with the Hessian costs n³.
        """
        if self._linear:
            return self._linear_loss
        here = torch.column_stack([W.mT @ W, b])
        line = Line.through(here[:, :-1], b, self._blur)
        errors = [expected_error(self._features, line, row, i) for i, row in enumerate(here)]
        value = self._weights @ torch.stack([error.value for error in errors])
        slope = self._weights[:, None] * torch.stack([error.slope for error in errors])
        bend = self._weights[:, None, None] * torch.stack([error.bend for error in errors])

        def polynomial(W: Tensor, b: Tensor) -> Tensor:
            moved = torch.column_stack([W.mT @ W, b]) - here
            return value + (moved * (slope + (bend @ moved[:, :, None])[:, :, 0] / 2)).sum()

        return polynomial

    def _linear_loss(self, W: Tensor, b: Tensor) -> Tensor:
        """Return Σ_i w_i d_i·M d_i with d_i = (G_i - e_i, b_i) and M = E (x, 1)(x, 1)^T."""
        missed = torch.column_stack([W.mT @ W - torch.eye(len(b), dtype=W.dtype), b])
        return self._weights @ ((missed @ second_moments(self._features)) * missed).sum(1)
