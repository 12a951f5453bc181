"""What is asked of the signals of a recording: a row for each step, and steps that increase."""

from typing import Any

import numpy as np

from ..signals import Signal, sliceable


def checked_signal(signal: Any) -> Signal:
    """Return a signal of features (T, n) that can be sliced.

    Raises ValueError where it has another number of axes, and where its values are no real numbers.
    """
    sliced = sliceable(signal)
    if sliced.ndim != 2:
        raise ValueError(f"dimensionality must have shape (T, n), a row for each step; got shape {sliced.shape}")
    if sliced.dtype.kind not in "fiu":
        raise ValueError(f"dimensionality must hold real numbers; got dtype {sliced.dtype}")
    return sliced


def checked_step(step: Any, rows: int) -> np.ndarray:
    """Return the steps (T,) of the rows, by default their numbers; raises ValueError where they do not increase."""
    steps = np.arange(rows) if step is None else checked_series("step", step, rows)
    if not (np.diff(steps) > 0).all():
        raise ValueError("step must increase from row to row; sort the rows and drop those that are doubled")
    return steps


def checked_series(name: str, values: Any, rows: int) -> np.ndarray:
    """Return one value for each row as an array (T,); raises ValueError where there are more or fewer."""
    array = np.asarray(values)
    if array.shape != (rows,):
        raise ValueError(f"{name} must have shape {(rows,)}, a value for each row; got shape {array.shape}")
    return array
