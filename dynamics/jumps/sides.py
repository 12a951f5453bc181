"""What lies on both sides of a change: the values of the plateaus there, their drift and their noise."""

from typing import NamedTuple

import numpy as np

# A plateau's value next to a change is taken from so many blocks.
NEAR = 32
# And its drift from so many, where the question is whether there is a change at all.
_FAR = 128
# A drift counts where it is so many times its error.
_SEEN = 2.0
# The correlation of the noise is measured in so many blocks or more, and not taken for more than this: a plateau that
# bends slowly looks like noise of any correlation.
_ENOUGH, _MOST = 16, 0.8


class Sides(NamedTuple):
    """The blocks left and right of a change and what they show.

    before and after are the plateaus' values where the change begins and ends, error is the standard error of their
    difference. drifted is the change that the drift of the plateaus would have made between them by itself. spread is
    the standard deviation of a block about its plateau.
    """

    left: np.ndarray
    right: np.ndarray
    before: float
    after: float
    drifted: float
    spread: float
    error: float

    @property
    def size(self) -> float:
        """How much the signal changes."""
        return abs(self.after - self.before)

    @property
    def sigmas(self) -> float:
        """The size of the change in units of its standard error."""
        return self.size / self.error


def look(y: np.ndarray, step: np.ndarray, span: tuple[float, float], bounds: tuple[int, int], noise: float) -> Sides:
    """Return what the blocks *y* (G,) at the steps *step* (G,) show on both sides of a change.

    The change lasts from and to the times *span*, in blocks, and the plateaus reach to *bounds*, the first block of the
    one and the last of the other. noise is the standard deviation of a block.
    """
    left, right = _beside(span, bounds, NEAR)
    blocks, apart = _apart(np.arange(len(y)), left, right), _apart(y, left, right)
    drift = _slope(blocks, apart, left.size, noise)
    residual = apart - drift * blocks
    # From the middles of the plateaus to where the change begins and ends.
    ahead, back = span[0] - left.mean(), span[1] - right.mean()
    # A drift that is taken from the plateaus is uncertain too.
    reach = (ahead - back) / np.linalg.norm(blocks) if drift else 0.0
    return Sides(
        left=left,
        right=right,
        before=float(y[left].mean() + drift * ahead),
        after=float(y[right].mean() + drift * back),
        drifted=_drifted(y, step, (left, right), _beside(span, bounds, _FAR)),
        spread=float(residual.std()),
        error=float(max(noise, lasting_noise(residual)) * np.sqrt(1 / left.size + 1 / right.size + reach**2)),
    )


def _beside(span: tuple[float, float], bounds: tuple[int, int], length: int) -> tuple[np.ndarray, np.ndarray]:
    """Return up to *length* blocks before and after *span*, within *bounds*."""
    # A block is on a plateau if all of it is; where none is, the nearest has to do.
    stop = max(int(np.floor(span[0] + 0.5)), bounds[0] + 1)
    start = min(int(np.ceil(span[1] + 0.5)), bounds[1])
    return np.arange(max(bounds[0], stop - length), stop), np.arange(start, min(bounds[1] + 1, start + length))


def _apart(values: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the values of two stretches, each without its mean."""
    return np.concatenate([values[part] - values[part].mean() for part in (left, right)])


def _drifted(
    y: np.ndarray, step: np.ndarray, near: tuple[np.ndarray, np.ndarray], far: tuple[np.ndarray, np.ndarray]
) -> float:
    """Return the change that the drift of the plateaus *far* makes between the plateaus *near*, over rows or steps."""
    changes = []
    for t in (np.arange(len(y)), step):
        along = _apart(t, *far)
        moment = float(along @ along)
        slope = float(along @ _apart(y, *far)) / moment if moment else 0.0
        changes.append(slope * (t[near[1]].mean() - t[near[0]].mean()))
    return float(max(changes, key=lambda change: change * (y[near[1]].mean() - y[near[0]].mean())))


def _slope(t: np.ndarray, y: np.ndarray, left: int, noise: float) -> float:
    """Return the slope of *y* over *t*, or 0 where it is not seen above the noise.

    The slope of two plateaus, of which the first has *left* blocks, is no steeper than either of them may be: where one
    bends, the other does not follow.
    """
    slope, error = _line(t, y, noise)
    if abs(slope) <= _SEEN * error:
        return 0.0
    parts = [_line(t[part], y[part], noise) for part in (slice(left), slice(left, None))]
    steepest = min(own * np.sign(slope) + _SEEN * error for own, error in parts)
    return float(np.sign(slope) * np.clip(steepest, 0, abs(slope)))


def _line(t: np.ndarray, y: np.ndarray, noise: float) -> tuple[float, float]:
    """Return the slope of *y* over *t*, both without their means, and its standard error; infinite for one block."""
    moment = float(t @ t)
    return (float(t @ y) / moment, noise / np.sqrt(moment)) if moment else (0.0, np.inf)


def lasting_noise(residual: np.ndarray) -> float:
    """Return the noise as it counts in averages, √(variance (1 + ρ) / (1 - ρ)), with ρ from one block to the next."""
    count = residual.size
    power = float(residual @ residual)
    if count < _ENOUGH or power == 0:
        return 0.0
    rho = float(residual[1:] @ residual[:-1]) / power
    # Measured in few blocks, ρ comes out too small by (1 + 3 ρ) / count.
    rho = float(np.clip(rho + (1 + 3 * rho) / count, 0, _MOST))
    return np.sqrt(power / (count - 3) * (1 + rho) / (1 - rho))
