"""How a distance between two runs grows: its exponential rate with its error, or why it has none."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

# A stretch of fewer rows, or over which the distance grows less, tells no exponential from anything else.
_FEWEST, _LEAST_FACTOR, _LEAST_SIGMAS = 12, 10.0, 3.0
# So many rows, evenly spread, are looked at, and so many places at which the growth may begin or end.
_POINTS, _KNOTS = 240, 20
# However much they go together, the rows are worth so many.
_LEAST_ROWS = 4.0


@dataclass(frozen=True)
class Growth:
    """The rate of exponential growth, per step, with its standard error, over the steps from *start* to *end*.

    rate, error, start and end are None where there is no such growth, and verdict says why.
    """

    rate: float | None
    error: float | None
    start: int | None
    end: int | None
    verdict: str

    def __str__(self) -> str:
        if self.rate is None or self.error is None:
            return self.verdict
        return f"{self.rate:.3g} ± {self.error:.1g} per step over steps {self.start}-{self.end}"


def exponential_growth(distance: np.ndarray, step: np.ndarray) -> Growth:
    """Return the rate r of |d_t| ~ exp(r t), over the stretch in which the distance grows so.

    log d is fit by straight pieces, up to three, as many as Schwarz's criterion asks for; the stretch is the piece that
    rises most. It is exponential if the distance grows tenfold there, and a line in t fits log d better than one in log
    (t - t_0), t_0 being the step before they part: growth like a power of the steps has no rate. The rate is the slope
    of least squares. Its standard error takes the residuals for a process with the lag-one correlation rho that they
    have, so that n rows count as n (1 - rho) / (1 + rho), less the two of a line and at least as one; it does not hold
    the choice of the stretch.

    Shapes: distance (T,), step (T,) increasing. Units: one over steps. Rows whose distance is 0 or not finite are
    passed over. Raises ValueError where the shapes differ.
    Source: Santer et al. 2000, J. Geophys. Res. 105, 7337 (effective sample size of a trend).
    """
    d, x = np.asarray(distance, dtype=np.float64), np.asarray(step, dtype=np.float64)
    if d.ndim != 1 or d.shape != x.shape:
        raise ValueError(f"distance and step must have one shape (T,), got {d.shape} and {x.shape}")
    known = np.isfinite(d) & (d > 0)
    if known.sum() < _FEWEST:
        return _none("no growth: fewer than twelve rows with a finite distance")
    apart = int(np.argmax(known))
    origin = x[apart] - (x[apart] - x[apart - 1] if apart else x[1] - x[0])
    x, y = x[known], np.log(d[known])
    rows = _steepest(x, y)
    return _judged(x[rows], y[rows], origin)


def _judged(x: np.ndarray, y: np.ndarray, origin: float) -> Growth:
    """Return the growth in a stretch, if it is exponential there."""
    if len(x) < _FEWEST:
        return _none("no exponential growth: it is over within a dozen rows")
    slope, residuals = _line(x, y)
    if slope * (x[-1] - x[0]) < np.log(_LEAST_FACTOR):
        return _none("no exponential growth: it grows less than tenfold in any straight stretch of its logarithm")
    power, other = _line(np.log(x - origin), y)
    if other @ other <= residuals @ residuals:
        return _none(f"no exponential growth: it grows like a power of the steps, {power:.2f}")
    error = _slope_error(x, residuals)
    if not slope > _LEAST_SIGMAS * error:
        return _none("no exponential growth: its logarithm strays too far from any line")
    return Growth(float(slope), float(error), int(x[0]), int(x[-1]), "exponential")


def _none(why: str) -> Growth:
    return Growth(None, None, None, None, why)


def _steepest(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the rows of the straight piece in which y rises most, evenly thinned."""
    thin = _thinned(len(x))
    u, v = x[thin], y[thin]
    candidates = u[np.unique(np.linspace(2, len(u) - 3, _KNOTS).astype(int))]
    best = _best_knots(u, v, candidates)
    edges = [u[0], *best, u[-1]]
    rises = np.diff(np.interp(edges, u, _pieces(u, v, best)))
    k = int(np.argmax(rises))
    inside = np.flatnonzero((x >= edges[k]) & (x <= edges[k + 1]))
    return inside[_thinned(len(inside))]


def _thinned(count: int) -> np.ndarray:
    return np.unique(np.linspace(0, count - 1, min(count, _POINTS)).astype(int))


def _pieces(x: np.ndarray, y: np.ndarray, knots: tuple[float, ...]) -> np.ndarray:
    """Return the continuous line of straight pieces that fits y best."""
    scaled = (x - x[0]) / (x[-1] - x[0])
    bends = [np.maximum(0.0, (x - knot) / (x[-1] - x[0])) for knot in knots]
    basis = np.column_stack([np.ones_like(x), scaled, *bends])
    return basis @ np.linalg.lstsq(basis, y, rcond=None)[0]


def _best_knots(x: np.ndarray, y: np.ndarray, candidates: np.ndarray) -> tuple[float, ...]:
    """Return where the pieces meet, none, once or twice, by Schwarz's criterion; each knot is a place and a slope.

    What the most pieces leave says how many independent rows there are, since wiggles are no pieces.
    """
    fits: list[tuple[tuple[float, ...], np.ndarray]] = []
    for count in range(3):
        tried = ((knots, y - _pieces(x, y, knots)) for knots in combinations(candidates.tolist(), count))
        fits.append(min(tried, key=lambda fit: float(fit[1] @ fit[1])))
    floor = max(1e-12 * float(((y - y.mean()) ** 2).sum()), 1e-300)
    rows = max(_LEAST_ROWS, len(x) * _independent(fits[-1][1]))
    scores = [rows * np.log(max(float(left @ left), floor)) + 2 * len(knots) * np.log(rows) for knots, left in fits]
    return fits[int(np.argmin(scores))][0]


def _independent(residuals: np.ndarray) -> float:
    """Return which share of the rows are independent: (1 - rho) / (1 + rho), rho being between neighbours."""
    total = float(residuals @ residuals)
    rho = max(0.0, float(residuals[1:] @ residuals[:-1]) / total) if total else 0.0
    # What n rows tell of rho is too little by about (1 + 4 rho) / n: Kendall 1954, a line having been taken out.
    rho = min(rho + (1 + 4 * rho) / len(residuals), 1.0)
    return (1 - rho) / (1 + rho)


def _line(x: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the slope of the line of least squares, and what it leaves."""
    u, v = x - x.mean(), y - y.mean()
    slope = float(u @ v / (u @ u))
    return slope, v - slope * u


def _slope_error(x: np.ndarray, residuals: np.ndarray) -> float:
    """Return the standard error of a slope whose residuals go together from row to row."""
    total = float(residuals @ residuals)
    # Where they are hardly more than one wave, their whole size counts.
    worth, u = max(1.0, len(x) * _independent(residuals) - 2), x - x.mean()
    return float(np.sqrt(total / worth / (u @ u)))
