"""What is asked of the signals of a recording: a row for each step, and steps that increase."""

from typing import Any

import numpy as np


def checked_signal(signal: Any) -> np.ndarray:
    """Return a signal of features as an array (T, n); raises ValueError where it has another number of axes."""
    array = np.asarray(signal)
    if array.ndim != 2:
        raise ValueError(f"dimensionality must have shape (T, n), a row for each step; got shape {array.shape}")
    return array


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
