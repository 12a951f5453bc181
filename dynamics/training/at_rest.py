"""Where the models of a toy experiment would come to rest: the critical points of the population loss next to them."""

from typing import TYPE_CHECKING

import numpy as np

from ..errors import SettingError
from ..experiments.experiment import Experiment
from ..landscape.critical_points import refine
from ..landscape.spectrum import EXACT_SIZE

if TYPE_CHECKING:
    from ..landscape.surfaces import PopulationSurface

# Digons sit where their outputs are just off, which a wider turn would move and give negative curvatures.
BLUR = 0.003
# Losses that differ by less than this fraction are those of one point and its mirror images.
_SAME_LOSS = 1e-9
# The arrays of at_rest(), and the saddle index of what is no critical point.
REST = ("critical_W", "critical_b", "critical_loss", "saddle_index")
NOWHERE = -1


def check_rest(experiment: Experiment) -> None:
    """Raise SettingError for an experiment whose models have no such points: no toy model, or too many parameters."""
    parameters = (experiment.n_hidden + 1) * experiment.n_features
    if experiment.model != "toy" or parameters > EXACT_SIZE:
        raise SettingError(
            f"{experiment.name!r} with model={experiment.model}, n_features={experiment.n_features}, "
            f"n_hidden={experiment.n_hidden} is not followed to rest: that takes a toy model of up to {EXACT_SIZE} "
            "parameters; leave --rest out"
        )


def at_rest(experiment: Experiment, W: np.ndarray, b: np.ndarray) -> dict[str, np.ndarray]:
    """Return the critical point of the exact population loss next to each model, by Newton steps from its W and b.

    critical_W and critical_b are the points, of the loss with a blur of 0.003 (PopulationSurface, refine()), or the
    flattest places found where the search did not converge; critical_loss is the loss there without the blur, and
    saddle_index how many directions lead down, 0 at a minimum and -1 where the search did not converge. A model whose
    numbers are not finite stays where it is, with a loss of NaN.

    Shapes: W (instances, m, n), b (instances, n) -> the same, (instances,), (instances,), all float64.
    Raises SettingError as check_rest() does.
    """
    check_rest(experiment)
    W, b = W.astype(np.float64), b.astype(np.float64)
    blurred, index = np.full(len(b), np.nan), np.full(len(b), float(NOWHERE))
    for k in range(len(b)):
        if not (np.isfinite(W[k]).all() and np.isfinite(b[k]).all()):
            continue
        found = refine(_surface(experiment, k), W[k], b[k])
        W[k], b[k] = found.parameters
        blurred[k] = found.curvature.loss
        if found.converged:
            index[k] = found.curvature.saddle_index or 0
    loss = _sharp_losses(experiment, W, b, blurred)
    return dict(zip(REST, (W, b, loss, index), strict=True))


def _surface(experiment: Experiment, member: int, blur: float = BLUR) -> "PopulationSurface":
    # A sweep is planned without torch.
    from ..landscape.surfaces import PopulationSurface

    return PopulationSurface.of(experiment, member=member, blur=blur)


def _sharp_losses(experiment: Experiment, W: np.ndarray, b: np.ndarray, blurred: np.ndarray) -> np.ndarray:
    """Return the losses without the blur, each computed once for the models that share a point up to a symmetry."""
    losses = np.full(len(b), np.nan)
    for k in np.flatnonzero(np.isfinite(blurred)):
        same = abs(blurred - blurred[k]) <= _SAME_LOSS * abs(blurred[k])
        known = losses[same & np.isfinite(losses)]
        losses[k] = known[0] if len(known) else sharp_loss(experiment, int(k), W[k], b[k])
    return losses


def sharp_loss(experiment: Experiment, member: int, W: np.ndarray, b: np.ndarray) -> float:
    """Return the population loss of one model without a blur, extrapolated from two, to about a part in 10⁴.

    What a blur β adds is c β², but where an output is just off; of the silent input, the most frequent one, that part
    is known: Σ_i w_i (E ReLU(b_i + βε)² - ReLU(b_i)²).
    """
    alone = experiment.member(member)
    wide, narrow = (_without_silence(alone, W, b, blur) for blur in (BLUR, BLUR / 2))
    return narrow + (narrow - wide) / 3


def _without_silence(alone: Experiment, W: np.ndarray, b: np.ndarray, blur: float) -> float:
    """Return the blurred loss of a model less what the blur adds on the silent input."""
    import torch
    from scipy.stats import norm

    from .loop import build_features

    loss = float(_surface(alone, 0, blur)(torch.from_numpy(W), torch.from_numpy(b)))
    silent = float(build_features(alone).probability_of_silence())
    added = (b**2 + blur**2) * norm.cdf(b / blur) + b * blur * norm.pdf(b / blur) - np.maximum(b, 0) ** 2
    return loss - silent * float(added @ np.array(alone.loss_weights()))
