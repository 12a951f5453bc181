"""Loss surfaces of the toy model that have a second derivative.

The loss of a sample, (x - ReLU(z))², has a kink where z passes 0 while x > 0. Its slope jumps there, and the second
derivative of a mean over samples never sees it: differentiated sample by sample, the loss lacks the part of its
curvature that comes from kinks being moved, however many samples there are. Here the magnitude of the feature itself
is integrated over in closed form, which rounds every kink exactly as the true expectation does.
"""

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor

from ..errors import SettingError
from ..features import FeatureDistribution
from ..models import instance_seed
from ..recipe import Experiment
from ..training import build_features
from .kinks import blurred_square, blurred_square_derivatives, integrated_error, integrated_error_derivatives

_SURFACE_STREAM = 2**31 + 2


def one_hot_loss(W: Tensor, b: Tensor, importance: Tensor | float = 1.0, *, linear: bool = False) -> Tensor:
    """Return the exact loss where exactly one feature is on, each as often as the others.

    L = 1/n Σ_j Σ_i I_i ∫₀¹ (δ_ij t - ReLU(W_i·W_j t + b_i))² dt, the L_1 of the paper's expansion divided by n.

    Shapes: W (m, n), b (n,), importance (n,) or a number -> (). Once differentiable everywhere, twice except where
    some W_i·W_j and b_i are both 0, as in the square, or where |W_i|² + b_i = 0.
    Source: Toy Models of Superposition, "Superposition as a Phase Change"; Chen et al. 2023, arXiv 2310.06301.
    """
    n = len(b)
    errors = integrated_error(W.mT @ W, b.expand(n, n), torch.eye(n, dtype=W.dtype), linear=linear)
    return (errors * importance).sum() / n


class PopulationSurface:
    """The population loss of one toy model as a smooth function of W and b: call it with float64 tensors.

    The silent input and, of independent features, those that are on alone are exact; the other inputs are *size*
    samples spread evenly, in each of which the error of a feature that is on is integrated over its own magnitude. The
    samples are fixed, and the loss depends on W by G = W^T W alone: it keeps the symmetry under rotations of hidden
    space exactly.

    One kink is left: where the bias of a feature, or all that reaches its output while it is off, is 0. Critical points
    like to sit there (merged features answer exactly nothing to each other), and the loss has a gradient but no one
    Hessian. A *blur* averages the preactivation of what is off over ±blur, as the jitter of training does, and makes it
    a smooth turn; 0 leaves the loss exact.

    loss_weights are the importances I_i, divided by n where the loss is the mean over features.
    Raises ValueError where the features have several densities, one for each instance, or are signed.
    Source: Toy Models of Superposition, "Superposition as a Phase Change", the expansion of L in L_k.
    """

    def __init__(
        self,
        features: FeatureDistribution,
        loss_weights: Sequence[float],
        *,
        linear: bool = False,
        blur: float = 0.0,
        size: int = 8192,
        seed: int = 0,
    ):
        if isinstance(features.density, tuple):
            raise ValueError(f"density={features.density} is that of several models; choose one of them")
        if features.signed:
            raise ValueError("signed=True: the toy model's features are not negative; leave signed at False")
        self._weights = torch.tensor(loss_weights, dtype=torch.float64)
        self._linear = linear
        self._blur = blur
        silent, single = features.probability_of_silence(), features.probability_of_single()
        generator = torch.Generator().manual_seed(instance_seed(seed, _SURFACE_STREAM))
        # Each sampled part with its probability; single features of independent ones need no samples.
        self._parts = [(silent, torch.zeros(1, features.n_features, dtype=torch.float64))]
        self._alone = single if features.correlation == "independent" else torch.zeros_like(single)
        if features.correlation != "independent":
            self._parts.append((single, features.spread_single((size,), generator).double()))
        if features.units > 1:
            several = (1 - silent - single).clamp(min=0)
            self._parts.append((several, features.spread_several((size,), generator).double()))

    @classmethod
    def of(cls, experiment: Experiment, *, member: int = 0, blur: float = 0.0) -> "PopulationSurface":
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
            size=alone.evaluation_size,
            seed=alone.seed,
        )

    def __call__(self, W: Tensor, b: Tensor) -> Tensor:
        """Return the loss; shapes W (m, n), b (n,) -> ()."""
        G = W.mT @ W
        loss = self._alone * one_hot_loss(W, b, self._weights, linear=self._linear)
        for share, x in self._parts:
            a, c, on = _arguments(x, G, b)
            answered = integrated_error(a, c, on, linear=self._linear)
            silent = c.square() if self._linear else blurred_square(c, self._blur)
            loss = loss + share * (torch.where(on > 0, answered, silent) @ self._weights).mean()
        return loss

    def expanded(self, W: Tensor, b: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
        """Return a polynomial of G = W^T W and b with this surface's value, gradient and Hessian at (W, b).

        Output i depends on row i of G and on b_i alone, so that its second derivatives are one (n+1, n+1) matrix for
        each i. With them summed over the samples once, each product with the Hessian costs n³ and no samples.
        """
        with torch.no_grad():
            value = self(W, b)
            slope, bend = self._expand_alone(W.mT @ W, b)
            for share, x in self._parts:
                more_slope, more_bend = self._expand_samples(x, W.mT @ W, b, share / len(x))
                slope, bend = slope + more_slope, bend + more_bend
            here = torch.column_stack([W.mT @ W, b])

        def polynomial(W: Tensor, b: Tensor) -> Tensor:
            moved = torch.column_stack([W.mT @ W, b]) - here
            return value + (moved * (slope + (bend @ moved[:, :, None])[:, :, 0] / 2)).sum()

        return polynomial

    def _expand_alone(self, G: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """Return ∂ℓ_i/∂(G_i, b_i) (n, n+1) and its second derivatives (n, n+1, n+1), for features that are on alone."""
        n = len(b)
        # Row i, column j: output i to feature j.
        d = integrated_error_derivatives(G, b[:, None].expand(n, n), torch.eye(n, dtype=G.dtype), linear=self._linear)
        a, c, aa, ac, cc = (self._alone / n * self._weights[:, None] * each for each in d)
        bend = torch.zeros(n, n + 1, n + 1, dtype=G.dtype)
        bend[:, :n, :n] = torch.diag_embed(aa)
        bend[:, :n, n] = bend[:, n, :n] = ac
        bend[:, n, n] = cc.sum(1)
        return torch.column_stack([a, c.sum(1)]), bend

    def _expand_samples(self, x: Tensor, G: Tensor, b: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """Return the same derivatives, summed over samples x (N, n) that count *share* each."""
        f_a, f_c, f_aa, f_ac, f_cc = (share * self._weights * each for each in self._derivatives(x, G, b))
        x = torch.column_stack([x, torch.ones(len(x), dtype=x.dtype)])
        slope = f_c.mT @ x
        bend = torch.stack([x.mT @ (weight[:, None] * x) for weight in f_cc.unbind(1)])
        # Its own G_ii acts on output i by a instead of c.
        own = torch.arange(len(b))
        slope[own, own] = f_a.sum(0)
        cross = f_ac.mT @ x
        cross[own, own] = f_aa.sum(0)
        bend[own, own, :] = bend[own, :, own] = cross
        return slope, bend

    def _derivatives(self, x: Tensor, G: Tensor, b: Tensor) -> tuple[Tensor, ...]:
        """Return the derivatives of each error by a and c; by a they are 0 where the feature is off."""
        a, c, on = _arguments(x, G, b)
        answered = integrated_error_derivatives(a, c, on, linear=self._linear)
        first, second = (2 * c, torch.full_like(c, 2)) if self._linear else blurred_square_derivatives(c, self._blur)
        nothing = torch.zeros_like(c)
        silent = (nothing, first, nothing, nothing, second)
        return tuple(torch.where(on > 0, f, g) for f, g in zip(answered, silent, strict=True))


def _arguments(x: Tensor, G: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return a, c and whether feature i is on, its preactivation being a t + c at the magnitude t; each (N, n)."""
    on = (x > 0).to(x.dtype)
    own = G.diagonal()
    return own * on, x @ G + b - own * x, on
