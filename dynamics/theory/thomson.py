"""The generalised Thomson problem: the interference of unit vectors as an energy of points on a sphere."""

from typing import Any

import numpy as np

from ..geometry.measures import gram


def thomson_energy(W: Any) -> np.ndarray:
    """Return the energy of features as points that repel each other, E = Σ_{i≠j} ReLU(W_i·W_j)².

    It is the interference at x = 1 and b = 0, three times that of L_1, which integrates over x. Points further than 90°
    apart do not interact; a feature that is not represented, W_i = 0, adds nothing. In the units of W to the fourth.

    Shapes: W (..., m, n) -> (...). Raises ValueError when W has fewer than two axes.
    Source: Toy Models of Superposition, "Superposition as a Phase Change", the comparison with the Thomson problem.
    """
    G = np.maximum(gram(np.asarray(W, dtype=float)), 0)
    return (G**2).sum((-2, -1), where=~np.eye(G.shape[-1], dtype=bool))


def thomson_gradient(W: Any) -> np.ndarray:
    """Return the derivative of the Thomson energy by W, ∂E/∂W_i = 4 Σ_{j≠i} ReLU(W_i·W_j) W_j; shape (..., m, n).

    On the sphere only its part across W_i is a force. Raises ValueError as thomson_energy() does.
    """
    W = np.asarray(W, dtype=float)
    G = np.maximum(gram(W), 0)
    return 4 * W @ (G * ~np.eye(G.shape[-1], dtype=bool))
