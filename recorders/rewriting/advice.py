"""What to do before a large recording is analysed."""

import math

from ...dynamics.signals import MOST_BYTES
from ..file.feature_major import is_feature_major
from ..file.hdf5 import is_sweep
from ..reading.recording import Recording
from ..reading.series import Series
from ..text import readable
from .chunking import compact_chunks

# Reading a file a few times over takes less than rewriting it.
_MANY = 8


def advice(recording: Recording) -> str | None:
    """Return what makes the analysis of a recording quick that would be read many times over; None where nothing does.

    An analysis of features takes as many columns at a time as have room, and a file that stores rows is read once for
    each time.
    """
    # What is still being written cannot be compacted, nor can a sweep, whose recording is a passing copy.
    if recording.status == "recording" or is_sweep(recording.path):
        return None
    measured = [kinds["dimensionality"] for kinds in recording.features.values() if "dimensionality" in kinds]
    most = max((math.prod(D.shape) * D.dtype.itemsize for D in measured if _gains(D)), default=0)
    times = math.ceil(most / (MOST_BYTES // 2))
    if times <= _MANY:
        return None
    return (
        f"{recording.path} stores {readable(most)} of dimensionality row by row, which is read {times} times over; "
        f"`dyn compact {recording.path}` makes that once"
    )


def _gains(D: Series) -> bool:
    """Whether compacting would store an array feature by feature that is not stored so."""
    becomes = compact_chunks("features", D.shape, D.dtype)
    return D.chunks is not None and is_feature_major(becomes) and not is_feature_major(D.chunks)
