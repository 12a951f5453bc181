"""The phase diagram of an extra feature, point by point: how trained models represent it, and how theory would."""

from typing import Any, NamedTuple

import numpy as np

from ..geometry.measures import measure
from ..theory.extra_feature import best_candidate

PHASES = ("ignored", "dedicated", "superposition")
# What the extra feature is in each candidate solution; in the others it has a dimension of its own.
_SOLUTIONS = {"ignore extra": "ignored", "extra in an antipodal pair": "superposition"}


class PhaseTable(NamedTuple):
    """What is left of the models at each point, averaged; each of shape (...,), the loss in its own units.

    norm is |W_n| of the extra feature, superposition is Σ_{j≠n} (Ŵ_n · W_j)², in the units of W squared.
    """

    norm: np.ndarray
    superposition: np.ndarray
    loss: np.ndarray

    @property
    def phase(self) -> np.ndarray:
        """The index in PHASES at each point.

        Ignored below a norm of 1/2; where represented, dedicated below a superposition of 1/2, the middle between a
        feature that is alone in its dimension, 0, and one of an antipodal pair of unit vectors, 1.
        """
        return np.where(self.norm < 0.5, 0, np.where(self.superposition < 0.5, 1, 2))


def phase_table(W: np.ndarray, loss: np.ndarray) -> PhaseTable:
    """Return how the last feature is represented: of the models of each point the worst is left out, the rest averaged.

    A model whose loss is not finite counts as the worst; a point without any other has NaN.

    Shapes: W (..., models, m, n) with one feature a column, loss (..., models). Raises ValueError where the shapes do
    not belong together, or there are fewer than two models at a point.
    Source: Toy Models of Superposition, "Superposition as a Phase Change".
    """
    W, loss = np.asarray(W), np.asarray(loss)
    if W.ndim < 3 or loss.shape != W.shape[:-2] or loss.shape[-1] < 2:
        raise ValueError(
            f"W {W.shape} and loss {loss.shape} must have shapes (..., models, m, n) and (..., models), with 2 or more"
        )
    worst = np.where(np.isfinite(loss), loss, np.inf).argmax(-1, keepdims=True)
    kept = (np.arange(loss.shape[-1]) != worst) & np.isfinite(loss)
    geometry = measure(np.where(kept[..., None, None], W, 0.0))
    values = geometry.norm[..., -1], geometry.interference[..., -1], np.where(kept, loss, 0.0)
    count = kept.sum(-1)
    sums = (value.sum(-1, where=kept) for value in values)
    return PhaseTable(*(np.divide(each, count, out=np.full(count.shape, np.nan), where=count > 0) for each in sums))


def theoretical_phase(n_features: int, n_hidden: int, density: Any, importance: Any) -> np.ndarray:
    """Return the index in PHASES of the candidate solution with the least loss.

    density p and importance r of the extra feature are numbers or arrays that broadcast, as is the result. Raises
    what best_candidate() raises.
    Source: Toy Models of Superposition, "Superposition as a Phase Change", the theoretical phase diagrams.
    """
    best = best_candidate(n_features, n_hidden, density, importance)
    phases = [PHASES.index(_SOLUTIONS.get(str(name), "dedicated")) for name in best.flat]
    return np.array(phases).reshape(best.shape)
