"""The curves of a page: D of every feature, and the losses, in as many points as a screen can show."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...dynamics.signals import Signal
from ..parts.curves import TRANSIENT, decimate, loss_scale, trend

# A curve has at most so many points, and all curves of D together.
_MOST_POINTS, _MOST_IN_ALL = 2000, 300_000
_TOP = 1.06
# Below this step the logarithmic axis of the page is linear.
_LINEAR_UP_TO = 10


@dataclass(frozen=True)
class Curves:
    """Curves over the same steps: step (K,), values (c, K), a name for each, and how the axis of values is scaled."""

    step: np.ndarray
    values: np.ndarray
    names: tuple[str, ...]
    range: tuple[float, float]
    is_log: bool


def dimensionality_curves(step: np.ndarray, D: Signal) -> Curves:
    """Return D of every feature, named by its number. Shapes: step (T,), D (T, n)."""
    points = min(_MOST_POINTS, max(2, _MOST_IN_ALL // D.shape[1]))
    x, y = decimate(step, D, points // 2, scale=_both_axes)
    return Curves(x, y.T, tuple(map(str, range(D.shape[1]))), (-0.02, _TOP), False)


def loss_curves(step: np.ndarray, losses: Mapping[str, np.ndarray | None]) -> Curves:
    """Return the losses that there are, that of the minibatches, "loss", as its running mean.

    Shapes: step (T,), each loss (T,) or None.
    """
    curves = {}
    for name, values in losses.items():
        if values is None:
            continue
        if name != "loss":
            curves[name.replace("_", " ")] = values
        else:
            x, y, label = trend(step, values)
            known = np.isfinite(y)
            curves[label] = np.interp(step, x[known], y[known], left=np.nan, right=np.nan)
    if not curves:
        return Curves(step[[0, -1]], np.empty((0, 2)), (), (0.0, 1.0), False)
    x, y = decimate(step, np.stack([*curves.values()], axis=1), _MOST_POINTS // 2, scale=_both_axes)
    limits, is_log = loss_scale(y[x >= step[int(TRANSIENT * len(step))]])
    return Curves(x, y.T, tuple(curves), limits, is_log)


def _both_axes(step: np.ndarray) -> np.ndarray:
    """Return places that are spread half as on a linear axis of steps and half as on a logarithmic one; (T,) rising."""
    first, last = step[0], step[-1]
    return (step - first) / (last - first) + np.arcsinh(step / _LINEAR_UP_TO) / np.arcsinh(last / _LINEAR_UP_TO)
