"""The critical point of the loss near a point of a run: is this plateau a saddle, and which?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from .derivatives import ExpandableLoss, Loss, LossPoint, shifted
from .spectrum import Curvature, curvature_at, is_twice_differentiable

# Directions with less than this fraction of the greatest curvature are taken to be flat: no step goes along them.
_FLAT = 1e-9
# The longest step at first and ever, and one so short that it is taken whatever comes of it, as fractions of |θ|.
_FIRST, _LONGEST, _SHORTEST = 0.1, 0.3, 0.01
# How far, as a fraction of its change, the slope may be from what the Hessian foretold: to take a step, to lengthen it.
_TAKEN, _LENGTHENED = 0.7, 0.25


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


def refine(loss: Loss, *parameters: Any, tolerance: float = 1e-9, max_steps: int = 60) -> CriticalPoint:
    """Return the critical point near θ, found by Newton steps that climb where the loss curves down.

    δ = -Σ_k v_k (v_k·g) sign λ_k / (|λ_k| + μ), with λ_k and v_k of the Hessian and the least μ >= 0 that keeps |δ|
    within a trusted length: along a negative curvature it goes uphill, so that saddles draw the search as minima do,
    and along flat directions, such as those of a symmetry, it does not move. The trusted length follows from how well
    the Hessian foretold the last change of the gradient, but a hundredth of |θ| is always trusted: near a saddle some
    of whose curvatures nearly vanish they change sign within a step, and only going on leads there. Where *max_steps*
    lead nowhere it starts again and goes downhill along every direction, for as many steps, to a minimum.

    It has converged where |g| <= *tolerance* |H| |θ|, with |H| the greatest curvature. The loss has to be smooth: of a
    mean over samples, the curvatures of features that are hardly represented are less than their sampling error; use a
    PopulationSurface. The critical point is one nearby, not provably the nearest.

    loss and parameters as in curvature(), with no more parameters than the full Hessian can be had for.
    Raises ValueError where the loss is not a finite number.
    Source: Pascanu, Dauphin, Ganguli and Bengio 2014, arXiv 1405.4604, on saddles; Cerjan and Miller 1981,
    J. Chem. Phys. 75, 2800, for following modes uphill.
    """
    start = LossPoint(loss, parameters)
    search = _Search(loss, parameters, start, tolerance)
    converged = search.run(max_steps, climbing=True) or search.run(max_steps, climbing=False)
    arrays = shifted(parameters, search.best.moved)
    return CriticalPoint(
        parameters=arrays,
        curvature=curvature_at(search.best.point, exact_up_to=start.size),
        distance=float(np.linalg.norm(search.best.moved)),
        converged=converged,
        # What is expanded has a Hessian.
        twice_differentiable=isinstance(loss, ExpandableLoss) or is_twice_differentiable(loss, *arrays),
        steps=search.steps,
    )


class _Search:
    """A search for critical points: best is the place with the shortest gradient so far, steps how many were tried."""

    def __init__(self, loss: Loss, parameters: Sequence[Any], start: LossPoint, tolerance: float):
        self._loss, self._parameters, self._tolerance = loss, parameters, tolerance
        self._scale = start.scale or 1.0
        self.best = self._start = _Place(start, np.zeros(start.size))
        self.steps = 0

    def run(self, max_steps: int, *, climbing: bool) -> bool:
        """Go from the start to a critical point and return whether there is one."""
        place, radius = self._start, _FIRST * self._scale
        for _ in range(max_steps):
            if place.is_critical(self._tolerance):
                return True
            self.steps += 1
            step = place.step(radius, climbing=climbing)
            trial = LossPoint(self._loss, shifted(self._parameters, place.moved + step))
            surprise, length = place.surprise(step, trial), float(np.linalg.norm(step))
            # A hair more than the shortest, as the length is solved for.
            is_short = length <= 1.001 * _SHORTEST * self._scale
            if surprise < _TAKEN or np.linalg.norm(trial.gradient) < place.slope or is_short:
                place = _Place(trial, place.moved + step)
                self.best = min(self.best, place, key=lambda each: each.slope)
            if surprise < _LENGTHENED:
                radius = min(_LONGEST * self._scale, max(radius, 2 * length))
            elif surprise > 2 * _LENGTHENED:
                radius = max(_SHORTEST * self._scale, length / 3)
        return place.is_critical(self._tolerance)


class _Place:
    """A point of the search, *moved* from where it began, with its Hessian taken apart."""

    def __init__(self, point: LossPoint, moved: np.ndarray):
        self.point, self.moved = point, moved
        self.slope = float(np.linalg.norm(point.gradient))
        self._values, self._vectors = np.linalg.eigh(point.hessian())

    def is_critical(self, tolerance: float) -> bool:
        """Return whether the gradient vanishes."""
        return bool(self.slope <= tolerance * abs(self._values).max() * (self.point.scale or 1))

    def step(self, radius: float, *, climbing: bool) -> np.ndarray:
        """Return δ of refine(), at most *radius* long; downhill along every direction unless *climbing*."""
        kept = abs(self._values) > _FLAT * abs(self._values).max()
        values, vectors = self._values[kept], self._vectors[:, kept]
        along = vectors.T @ self.point.gradient

        def of(damping: float) -> np.ndarray:
            return along / (abs(values) + damping)

        damping = 0.0
        if np.linalg.norm(of(0)) > radius:
            from scipy.optimize import brentq

            # At the upper end the gradient itself, divided by the damping, is within the radius.
            damping = cast("float", brentq(lambda mu: np.linalg.norm(of(mu)) - radius, 0, self.slope / radius))
        return -vectors @ ((np.sign(values) if climbing else 1) * of(damping))

    def surprise(self, step: np.ndarray, arrived: LossPoint) -> float:
        """Return |g' - g - H δ| / |H δ|: how far the slope is from what was foretold."""
        foretold = self._vectors @ (self._values * (self._vectors.T @ step))
        missed = np.linalg.norm(arrived.gradient - self.point.gradient - foretold)
        return float(missed / (np.linalg.norm(foretold) or np.inf))
