"""What is derived from the rows of a ring: parameters as the file has them, and their features."""

import math
from collections.abc import Sequence

import numpy as np

from ...dynamics.geometry.measures import measure
from .channels import Block, Channel, feature_channels

# Temporary arrays of the feature geometry stay below this many elements, whatever the size of a block.
_BATCH_ELEMENTS = 2**22


def with_features(block: Block, channels: Sequence[Channel]) -> tuple[Block, dict[str, np.ndarray]]:
    """Return the block as the file has it, with the features of its parameters; and the parameters by name."""
    stored, parameters = dict(block.channels), {}
    for channel in channels:
        values = stored[channel.path] = as_stored(channel, block.channels[channel.path])
        if channel.group == "parameters":
            parameters[channel.name] = values
            if channel.features:
                stored.update(_features(channel, values))
    return Block(block.step, block.time, dict(block.scalars), stored), parameters


def as_stored(channel: Channel, values: np.ndarray) -> np.ndarray:
    """Return values as the file holds them: bfloat16, here as its bits, is the upper half of a float32."""
    if channel.dtype == np.uint16 and channel.stored_dtype == np.float32:
        return (values.astype(np.uint32) << 16).view(np.float32)
    return values.astype(channel.stored_dtype, copy=False)


def _features(channel: Channel, values: np.ndarray) -> dict[str, np.ndarray]:
    """Return the feature geometry of every row, by path."""
    results = {
        path: np.empty((len(values), *shape), np.float32)
        for path, shape in ((derived.path, derived.shape) for derived in feature_channels(channel))
    }
    view, batch = channel.view, max(1, _BATCH_ELEMENTS // max(math.prod(channel.shape), 1))
    # Weights that have diverged give NaN or inf, which is what the file shall say; no warning belongs in the training.
    with np.errstate(all="ignore"):
        for start in range(0, len(values), batch):
            rows = slice(start, start + batch)
            W = view.matrices(values[rows].astype(np.float32, copy=False))
            for target, value in zip(results.values(), measure(W), strict=True):
                target[rows] = value
    return results
