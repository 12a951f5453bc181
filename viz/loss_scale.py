"""How a panel shows a loss: from when on, in which range, and whether by its logarithm."""

import numpy as np

# What happens after this fraction of the run is shown in full; the first fall may leave the panel at the top.
TRANSIENT = 0.05
_LOG_RANGE = 5.0


def loss_scale(values: np.ndarray) -> tuple[tuple[float, float], bool]:
    """Return the range that shows *values*, with a little room, and whether it is better seen on a logarithmic axis."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return (0.0, 1.0), False
    low, high = float(finite.min()), float(finite.max())
    if low > 0 and high / low > _LOG_RANGE:
        return (low / 1.15, high * 1.3), True
    room = high - low or abs(high) or 1.0
    return (low - 0.06 * room, high + 0.1 * room), False
