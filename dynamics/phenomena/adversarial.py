"""Adversarial attacks on the toy model: how much a small push to the input costs it."""

from typing import NamedTuple

import numpy as np

from ..geometry.measures import gram


class Attack(NamedTuple):
    """The mean loss without and with the attack; the square of its length is what it costs a model that answers x."""

    loss: np.ndarray
    attacked: np.ndarray
    squared_length: np.ndarray

    @property
    def vulnerability(self) -> np.ndarray:
        """The increase of the loss, in units of the squared length: about 1 without superposition."""
        with np.errstate(invalid="ignore"):
            return (self.attacked - self.loss) / self.squared_length


def adversarial_increase(
    W: np.ndarray, b: np.ndarray, x: np.ndarray, *, importance: np.ndarray | float = 1.0, budget: float = 0.1
) -> Attack:
    """Return what the optimal attacks on single features do to the model y = ReLU(W^T W x + b).

    The attack on feature i adds ε G_i / |G_i| to x, G = W^T W, which raises output i the most; ε is *budget* times the
    mean of |x|. Each sample suffers the one of these n attacks that harms it most. The loss is Σ_i I_i (x_i - y_i)²,
    with x as it was before the attack.

    Shapes: W (..., m, n), b (..., n), x (..., batch, n), importance (n,) or a number -> each (...). Where all of x is
    zero the vulnerability is NaN. Raises ValueError where the last axes of W, b and x differ.
    Source: Toy Models of Superposition, "Superposition and Adversarial Robustness".
    """
    if not W.shape[-1] == b.shape[-1] == x.shape[-1]:
        raise ValueError(f"W {W.shape}, b {b.shape} and x {x.shape} must end in the same number of features")
    G = gram(W)
    length = np.linalg.norm(G, axis=-1)[..., None]
    push = G / (length + (length == 0))
    epsilon = budget * np.linalg.norm(x, axis=-1).mean(-1)
    answer = x @ G + b[..., None, :]
    moved = epsilon[..., None, None] * (push @ G)

    def losses(shift: np.ndarray | float) -> np.ndarray:
        return ((x - np.maximum(answer + shift, 0)) ** 2 * importance).sum(-1)

    # One attack at a time: all of them at once would take n times the memory.
    worst = losses(moved[..., :1, :])
    for i in range(1, W.shape[-1]):
        worst = np.maximum(worst, losses(moved[..., i : i + 1, :]))
    return Attack(losses(0.0).mean(-1), worst.mean(-1), epsilon**2)
