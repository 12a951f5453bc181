"""Both ends of the spectrum, and the trace, of a symmetric matrix that is known by its products with vectors only."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh_tridiagonal

Product = Callable[[np.ndarray], np.ndarray]

# How many steps lie between two looks at what has converged.
_STRIDE = 10


@dataclass(frozen=True, eq=False)
class Extremes:
    """The eigenvalues of a symmetric matrix from its two ends inwards.

    values (k,) ascend, and each lies within its error (k,), the length of the residual H v - λ v, of an eigenvalue.
    Every eigenvalue that is not listed lies in the interval *unlisted*, which is infinite on the side of an end not
    known to be complete, and (inf, -inf) where all are listed. products counts the products with the matrix.
    """

    values: np.ndarray
    errors: np.ndarray
    unlisted: tuple[float, float]
    products: int


def extreme_eigenvalues(
    product: Product, size: int, *, count: int = 10, tolerance: float = 1e-8, max_products: int = 1000, seed: int = 0
) -> Extremes:
    """Return at least *count* eigenvalues from each end of the spectrum of H, with their multiplicities.

    Lanczos' method with full reorthogonalisation. One start meets every eigenvalue once, however often it occurs; so
    the method starts again, orthogonal to all that was found, until a start meets nothing further out than what is
    listed. An eigenpair counts as found where |H v - λ v| <= tolerance |H|. Where *max_products* run out first, what
    was found is listed, and the interval of the unlisted is infinite.

    product maps v (size,) to H v (size,). Memory: a vector of float64 for each product since the last start, and for
    each eigenvalue found. Raises ValueError where size or count is less than 1.
    """
    if size < 1 or count < 1:
        raise ValueError(f"size={size} and count={count} must both be at least 1")
    search = _Search(product, size, tolerance, np.random.default_rng(seed))
    wanted, ends = count, (-np.inf, np.inf)
    while len(search.values) < size and search.products < max_products:
        run = search.run(wanted, max_products)
        slack = tolerance * search.norm
        known = np.sort(search.values)
        full = len(known) >= count
        low_is_done = full and run.low > 0 and run.values[0] >= known[count - 1] - slack
        high_is_done = full and run.high > 0 and run.values[-1] <= known[-count] + slack
        low, high = float(run.values[0]) - slack, float(run.values[-1]) + slack
        ends = (low if low_is_done else -np.inf, high if high_is_done else np.inf)
        if low_is_done and high_is_done:
            break
        search.keep(run, 0 if low_is_done else run.low, 0 if high_is_done else run.high)
        wanted = 1
    return search.result(ends)


def estimate_trace(product: Product, size: int, *, probes: int = 32, seed: int = 0) -> tuple[float, float]:
    """Return the trace of a symmetric matrix and its standard error, tr H = E[z·H z] for random signs z (Hutchinson).

    product maps v (size,) to H v (size,); *probes*, 2 or more, is how many products are averaged.
    """
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], size=(probes, size))
    samples = np.array([z @ product(z) for z in signs])
    return float(samples.mean()), float(samples.std(ddof=1) / np.sqrt(probes))


@dataclass(frozen=True, eq=False)
class _Run:
    """Ritz values and vectors of one start, and how many of them have converged at either end."""

    values: np.ndarray
    vectors: np.ndarray
    low: int
    high: int


class _Search:
    """What has been found so far, and the next start orthogonal to it."""

    def __init__(self, product: Product, size: int, tolerance: float, rng: np.random.Generator):
        self._product = product
        self._tolerance = tolerance
        self._rng = rng
        self._found = np.empty((0, size))
        self.values = np.empty(0)
        self.norm = 0.0
        self.products = 0

    def run(self, wanted: int, max_products: int) -> _Run:
        """Lanczos from a random start until *wanted* values have converged at either end."""
        start = self._orthogonal(self._rng.normal(size=self._found.shape[1]), self._found)
        basis = [start / np.linalg.norm(start)]
        diagonal: list[float] = []
        beside: list[float] = []
        while True:
            image = self._multiply(basis[-1])
            diagonal.append(float(basis[-1] @ image))
            rest = self._orthogonal(image, self._found, np.array(basis))
            beside.append(float(np.linalg.norm(rest)))
            self.norm = max(self.norm, abs(diagonal[-1]) + beside[-1])
            ended = self._is_exhausted(len(basis), beside[-1]) or self.products >= max_products
            if ended or len(basis) % _STRIDE == 0:
                run = self._ritz(np.array(basis), diagonal, beside)
                if ended or min(run.low, run.high) >= wanted:
                    return run
            basis.append(rest / beside[-1])

    def keep(self, run: _Run, low: int, high: int) -> None:
        """Add the *low* lowest and *high* highest pairs of a run to what has been found."""
        index = np.arange(len(run.values))
        chosen = (index < low) | (index >= len(index) - high)
        self._found = np.vstack([self._found, run.vectors[chosen]])
        self.values = np.concatenate([self.values, run.values[chosen]])

    def result(self, ends: tuple[float, float]) -> Extremes:
        """Return what has been found, in order, each with its residual measured anew."""
        order = np.argsort(self.values)
        residuals = [self._multiply(v) - value * v for v, value in zip(self._found, self.values, strict=True)]
        errors = np.array([np.linalg.norm(residual) for residual in residuals])
        unlisted = (np.inf, -np.inf) if len(order) == self._found.shape[1] else ends
        return Extremes(self.values[order], errors[order], unlisted, self.products)

    def _multiply(self, v: np.ndarray) -> np.ndarray:
        self.products += 1
        return self._product(v)

    def _is_exhausted(self, steps: int, rest: float) -> bool:
        """Whether the start has seen all it can: the subspace it spans is mapped into itself."""
        return steps + len(self._found) == self._found.shape[1] or rest <= 1e-14 * self.norm

    def _ritz(self, basis: np.ndarray, diagonal: list[float], beside: list[float]) -> _Run:
        values, inner = eigh_tridiagonal(diagonal, beside[:-1])
        # |H v - λ v| of a Ritz pair is the last β times the last entry of its inner vector.
        converged = abs(beside[-1] * inner[-1]) <= self._tolerance * self.norm
        self.norm = max(self.norm, float(abs(values).max()))
        return _Run(values, inner.T @ basis, _leading(converged), _leading(converged[::-1]))

    @staticmethod
    def _orthogonal(v: np.ndarray, *spaces: np.ndarray) -> np.ndarray:
        # Twice is enough: the second pass removes what rounding left of the first.
        for _ in range(2):
            for space in spaces:
                v = v - space.T @ (space @ v)
        return v


def _leading(flags: np.ndarray) -> int:
    """Return how many flags are set before the first that is not."""
    return len(flags) if flags.all() else int(np.argmin(flags))
