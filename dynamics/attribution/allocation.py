"""The change of a loss along the recorded path, shared out among the parameters and features that moved."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .recorded_path import RecordedPath, Rows, Stretch

Gradient = Callable[[Mapping[str, np.ndarray]], Mapping[str, Any]]

# So many pieces of the path are looked at together, and each is halved so often at most.
_TOGETHER, _DEEPEST = 256, 12


@dataclass(frozen=True, eq=False)
class Allocation:
    """What the motion of each parameter, and of each feature, brought of a change of the loss.

    by_feature has the share of each feature's numbers in those parameters that have features, by its number;
    by_parameter that of all of a parameter; total is the sum over parameters, the change of the loss. A share below 0
    lowered the loss. error is the largest error of any of these numbers, as refining the rule tells; shares has that of
    every single number, in the shape of its parameter.
    """

    by_feature: dict[int, float]
    by_parameter: dict[str, float]
    total: float
    error: float
    shares: dict[str, np.ndarray]

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold, features by their numbers as text."""
        by_feature = {str(feature): share for feature, share in self.by_feature.items()}
        return {
            "by_feature": by_feature,
            "by_parameter": self.by_parameter,
            "total": self.total,
            "error": self.error,
        }


def allocate(
    parameters: Mapping[str, Rows],
    gradient: Gradient,
    *,
    features: Mapping[str, str] | None = None,
    tolerance: float = 5e-3,
) -> Allocation:
    """Share out the change of a loss from the first to the last row among the parameters that moved.

    L(θ_T) - L(θ_1) = Σ_θ ∫ ∂L/∂θ dθ along the path that is straight from each row to the next: each parameter's
    integral is its share, and one that never moved has exactly 0. Each stretch between two rows is integrated by
    Simpson's rule, and the trapezoidal rule tells its error: with e_s what separates the two on stretch s, it is taken
    for |Σ e_s| + 2 √Σ e_s², for rules that err alike everywhere, and for a loss over samples, whose gradient leaps here
    and there. Where that is above *tolerance* times the largest share, the pieces that it comes from are halved.

    *gradient* takes parameters, {name: (P, *shape)} in double precision, at P points and returns the gradient of the
    loss there in the same shapes; parameters that it leaves out have no share in the loss. *features* says which axis
    of which parameter holds features, "columns" (the last) or "rows" (the last but one); what several parameters have
    of a feature is added. By default they are the columns of the first parameter that is a matrix.

    Shapes: parameters (T, *shape) with T >= 2. Raises ValueError on others, where gradients have other shapes or are
    not finite, and for features that are not there.
    Source: Lan et al. 2019, "LCA: Loss Change Allocation for Neural Network Training", arXiv 1909.01440.
    """
    path = RecordedPath(parameters)
    if not tolerance > 0:
        raise ValueError(f"tolerance={tolerance} must be above 0, such as 1e-3")
    integral = _Integral(path, gradient, _axes(path.shapes, features))
    integral.refine(tolerance)
    return integral.allocation()


class _Integral:
    """The integrals of all parameters over a path, piece by piece; a piece begins at a position and has a width."""

    def __init__(self, path: RecordedPath, gradient: Gradient, axes: Mapping[str, int]):
        self._path, self._gradient, self._axes = path, gradient, axes
        self._shares = {name: np.zeros(shape) for name, shape in path.shapes.items()}
        self._starts = np.arange(path.segments, dtype=np.float64)
        self._widths = np.ones(path.segments)
        self._errors = self._add(self._starts, self._widths)

    def refine(self, tolerance: float) -> None:
        """Halve the worst pieces until no share's error is above *tolerance* times the largest share."""
        for _ in range(_DEEPEST):
            largest = np.abs(self._grouped({name: share[None] for name, share in self._shares.items()})).max()
            if self._error() <= tolerance * largest:
                return
            # Pieces that are all below it have no larger error together.
            self._halve(np.abs(self._errors).max(1) > tolerance * largest / (3 * len(self._errors)))

    def allocation(self) -> Allocation:
        as_one_piece = {name: share[None] for name, share in self._shares.items()}
        by_parameter = {name: float(share.sum()) for name, share in self._shares.items()}
        return Allocation(
            by_feature=dict(enumerate(self._of_features(as_one_piece)[0].tolist())),
            by_parameter=by_parameter,
            total=sum(by_parameter.values()),
            error=self._error(),
            shares=self._shares,
        )

    def _error(self) -> float:
        """Return the largest error of any group: what pieces have in common, and their scatter twice."""
        return float((np.abs(self._errors.sum(0)) + 2 * np.sqrt(np.square(self._errors).sum(0))).max())

    def _halve(self, worst: np.ndarray) -> None:
        starts, widths = self._starts[worst], self._widths[worst]
        self._add(starts, widths, sign=-1)
        halves = np.column_stack([starts, starts + widths / 2]).ravel(), np.repeat(widths / 2, 2)
        pieces = [(self._starts, halves[0]), (self._widths, halves[1]), (self._errors, self._add(*halves))]
        starts, widths, errors = (np.concatenate([old[~worst], new]) for old, new in pieces)
        order = np.argsort(starts)
        self._starts, self._widths, self._errors = starts[order], widths[order], errors[order]

    def _add(self, starts: np.ndarray, widths: np.ndarray, sign: int = 1) -> np.ndarray:
        """Add the shares of pieces in order to all, or take them away; return the errors of each, (pieces, groups)."""
        errors = []
        for first in range(0, len(starts), _TOGETHER):
            some = slice(first, first + _TOGETHER)
            simpson, trapezoid = self._by_both_rules(starts[some], widths[some])
            for name, shares in simpson.items():
                self._shares[name] += sign * shares.sum(0)
            errors.append(self._grouped({name: simpson[name] - trapezoid[name] for name in simpson}))
        return np.concatenate(errors)

    def _by_both_rules(
        self, starts: np.ndarray, widths: np.ndarray
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Return the shares of pieces by Simpson's rule and by the trapezoidal rule, each (pieces, *shape)."""
        stretch = self._path.between(int(starts[0]), int(starts[-1]) + 1)
        points = np.stack([starts, starts + widths / 2, starts + widths])
        # Most pieces begin where another ends.
        positions, where = np.unique(points, return_inverse=True)
        left, middle, right = where.reshape(points.shape)
        slopes, moves = self._slopes(stretch, positions), stretch.moves(starts)
        simpson, trapezoid = {}, {}
        for name, slope in slopes.items():
            step = moves[name] * widths.reshape(-1, *[1] * (moves[name].ndim - 1))
            ends = slope[left] + slope[right]
            trapezoid[name] = ends * step / 2
            simpson[name] = (ends + 4 * slope[middle]) * step / 6
        return simpson, trapezoid

    def _slopes(self, stretch: Stretch, positions: np.ndarray) -> dict[str, np.ndarray]:
        here = stretch.at(positions)
        slopes = {name: np.asarray(each, dtype=np.float64) for name, each in self._gradient(here).items()}
        for name, slope in slopes.items():
            if name not in here or slope.shape != here[name].shape:
                asked = here[name].shape if name in here else f"no such name among {', '.join(here)}"
                raise ValueError(f"gradient() gave {name} of shape {slope.shape}; its parameter has {asked}")
            if not np.isfinite(slope).all():
                raise ValueError(f"gradient() gave numbers for {name} that are not finite; choose other rows")
        return slopes

    def _grouped(self, shares: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return for each piece the total, the share of each parameter and of each feature, (pieces, groups)."""
        by_parameter = [share.reshape(len(share), -1).sum(1) for share in shares.values()]
        return np.column_stack([np.sum(by_parameter, axis=0), *by_parameter, self._of_features(shares)])

    def _of_features(self, shares: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the share of each feature, (pieces, n)."""
        of_each = [_over_all_but(axis, shares[name]) for name, axis in self._axes.items() if name in shares]
        pieces = len(next(iter(shares.values())))
        return np.sum(of_each, axis=0) if of_each else np.zeros((pieces, 0))


def _over_all_but(axis: int, share: np.ndarray) -> np.ndarray:
    """Return sums over all axes but the first and *axis*."""
    moved = np.moveaxis(share, axis, 1)
    return moved.reshape(*moved.shape[:2], -1).sum(2)


_PLACES = {"columns": -1, "rows": -2}


def _axes(shapes: Mapping[str, tuple[int, ...]], features: Mapping[str, str] | None) -> dict[str, int]:
    """Return which axis of which parameter holds features."""
    if features is None:
        first = next((name for name, shape in shapes.items() if len(shape) > 1), None)
        return {} if first is None else {first: -1}
    for name, place in features.items():
        if name not in shapes or len(shapes[name]) < 2 or place not in _PLACES:
            known = ", ".join(f"{each} {shape}" for each, shape in shapes.items())
            raise ValueError(f"features={{{name!r}: {place!r}}}: give 'columns' or 'rows' of a matrix among {known}")
    axes = {name: _PLACES[place] for name, place in features.items()}
    counts = {name: shapes[name][axis] for name, axis in axes.items()}
    if len(set(counts.values())) > 1:
        raise ValueError(f"features={dict(features)}: the matrices have different numbers of features, {counts}")
    return axes
