"""What to do before a large recording is analysed."""

import math

from ..dynamics.stripes import MOST_BYTES
from .feature_major import is_feature_major
from .price import readable
from .recording import Recording

# Reading a file a few times over takes less than rewriting it.
_MANY = 8


def advice(recording: Recording) -> str | None:
    """Return what makes the analysis of a recording quick that would be read many times over; None where it is quick.

    An analysis of features takes as many columns at a time as have room, and a file that stores rows is read once for
    each time.
    """
    measured = [kinds["dimensionality"] for kinds in recording.features.values() if "dimensionality" in kinds]
    sizes = [math.prod(D.shape) * D.dtype.itemsize for D in measured if D.chunks and not is_feature_major(D.chunks)]
    most = max(sizes, default=0)
    times = math.ceil(most / (MOST_BYTES // 2))
    if times <= _MANY:
        return None
    return (
        f"{recording.path} stores {readable(most)} of dimensionality row by row, which is read {times} times over; "
        f"`dyn compact {recording.path}` makes that once"
    )
