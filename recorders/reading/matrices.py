"""The matrices of a network over time, and a few of their rows."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from ..ring.matrices import MatrixView
from .recording import Recording
from .series import Series

# So many bytes of a parameter are read at a time.
_MOST_BYTES = 2**25


def is_ensemble(recording: Recording) -> bool:
    """Whether the recording is of several models in one, which have their features along an axis of their own.

    Heads, which a pattern makes of a parameter, are of one model.
    """
    known = recording.parameters
    return any(
        each["dimensionality"].ndim > 2 and not (name in known and MatrixView.of(known[name].attrs).is_pattern)
        for name, each in recording.features.items()
        if "dimensionality" in each
    )


def matrices_of(recording: Recording) -> dict[str, Series]:
    """Return the parameters of real numbers with two axes or more, by name; none of an ensemble.

    A kernel of a convolution counts as the matrix (out, in * height * width) that it is to one patch of its input.
    """
    if is_ensemble(recording):
        return {}
    return {
        name: series
        for name, series in recording.parameters.items()
        if series.ndim > 2 and series.dtype.kind == "f" and math.prod(series.shape[1:])
    }


def summarised_matrices(recording: Recording) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the matrices of which summaries were kept, by name."""
    summaries = recording.summaries
    return {name: summaries.shape_of(name) for name, each in summaries.items() if "singular_values" in each}


def is_network(recording: Recording) -> bool:
    """Whether the recording holds several matrices of one model, or summaries of any."""
    return len(recording) > 0 and (len(matrices_of(recording)) > 1 or bool(summarised_matrices(recording)))


def matrix_shape(series: Series) -> tuple[int, int]:
    """Return (m, n) of a parameter as a matrix."""
    return series.shape[1], math.prod(series.shape[2:])


def rows_of(series: Series, rows: Sequence[int] | np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield the matrices (k, m, n) of some rows, which increase, a few at a time, and which of them these are."""
    m, n = matrix_shape(series)
    height = max(1, _MOST_BYTES // (m * n * series.dtype.itemsize))
    for first in range(0, len(rows), height):
        part = slice(first, min(first + height, len(rows)))
        yield part, series[np.asarray(rows[part])].reshape(-1, m, n)
