"""The critical point of the loss nearest to a point of a run: is this plateau a saddle, and which?"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from .derivatives import Loss, LossPoint, shifted
from .spectrum import Curvature, curvature_at, is_twice_differentiable

# Directions with less than this fraction of the greatest curvature are taken to be flat: no step goes along them.
_FLAT = 1e-9
# Damping as fractions of the greatest curvature: where the search begins, and where it has come to nothing.
_FIRST_DAMPING = 0.1
_LAST_DAMPING = 1e6


@dataclass(frozen=True, eq=False)
class CriticalPoint:
    """Where the search for a critical point ended.

    parameters are the arrays there, curvature the loss, gradient and spectrum; distance is how far it is from where the
    search began, √Σ|Δθ|². converged says whether the gradient vanishes; if not, it is merely the shortest found. Where
    the loss is not twice differentiable, the spectrum is that of one side.
    """

    parameters: tuple[np.ndarray, ...]
    curvature: Curvature
    distance: float
    converged: bool
    twice_differentiable: bool
    steps: int

    @property
    def kind(self) -> str:
        """The point in words: minimum, saddle of index k, or what speaks against either."""
        if not self.converged:
            return "no critical point"
        if not self.twice_differentiable:
            return "critical point, not twice differentiable"
        index = self.curvature.saddle_index
        return f"saddle of index {index}" if index else "minimum"


def refine(loss: Loss, *parameters: Any, tolerance: float = 1e-9, max_steps: int = 200) -> CriticalPoint:
    """Return the critical point near θ, found by Levenberg-Marquardt steps on the squared gradient.

    δ = -H (H² + μ²)⁻¹ g lessens |g|² whatever the signs of the curvature, so that saddles draw the search as minima do;
    along flat directions, such as those of a symmetry, it does not move. It has converged where |g| <= *tolerance*
    |H| |θ|, with |H| the greatest curvature.

    Kinks of the loss hold the search up: a PopulationSurface should have a blur, and with ten features or more the
    search often ends as *no critical point* all the same. The critical point is one nearby, not provably the nearest.

    loss and parameters as in curvature(), with no more parameters than the full Hessian can be had for.
    Raises ValueError where the loss is not a finite number.
    Source: Pascanu, Dauphin, Ganguli and Bengio 2014, arXiv 1405.4604, on saddles; Levenberg 1944 for the step.
    """
    start = point = LossPoint(loss, parameters)
    moved, damping, steps = np.zeros(point.size), _FIRST_DAMPING, 0
    values, vectors = np.linalg.eigh(point.hessian())
    while not (converged := _is_critical(point, values, tolerance)) and steps < max_steps and damping < _LAST_DAMPING:
        steps += 1
        step = _damped_step(values, vectors, point.gradient, damping)
        trial = LossPoint(loss, shifted(parameters, moved + step))
        if np.linalg.norm(trial.gradient) < np.linalg.norm(point.gradient):
            moved, point, damping = moved + step, trial, damping / 4
            values, vectors = np.linalg.eigh(point.hessian())
        else:
            damping *= 4
    arrays = shifted(parameters, moved)
    return CriticalPoint(
        parameters=arrays,
        curvature=curvature_at(point, exact_up_to=start.size),
        distance=float(np.linalg.norm(moved)),
        converged=converged,
        twice_differentiable=is_twice_differentiable(loss, *arrays),
        steps=steps,
    )


def _is_critical(point: LossPoint, values: np.ndarray, tolerance: float) -> bool:
    return bool(np.linalg.norm(point.gradient) <= tolerance * abs(values).max() * (point.scale or 1))


def _damped_step(values: np.ndarray, vectors: np.ndarray, gradient: np.ndarray, damping: float) -> np.ndarray:
    greatest = abs(values).max()
    kept = abs(values) > _FLAT * greatest
    inverse = np.divide(values, values**2 + (damping * greatest) ** 2, out=np.zeros_like(values), where=kept)
    return -vectors @ (inverse * (vectors.T @ gradient))
