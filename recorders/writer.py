"""The writer: takes blocks of rows, computes what is derived from them, and hands both to the store."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ..dynamics.geometry import measure
from .channels import Channel, array_channel, feature_channels
from .ring import Block, Ring
from .store import Store

Derivation = Callable[[Mapping[str, np.ndarray]], Mapping[str, np.ndarray]]

# Temporary arrays of the feature geometry stay below this many elements, whatever the size of a block.
_BATCH_ELEMENTS = 2**22


class Writer:
    """Drains a ring into a store.

    Features and the other derived quantities are computed here, in batches, so that none of it is paid for by the
    step that is being recorded.
    """

    def __init__(self, store: Store, channels: Sequence[Channel]):
        self._store = store
        self._parameters = [channel for channel in channels if channel.group == "parameters"]
        self._derivations: list[Derivation] = []

    def derive(self, derivation: Derivation, sample: Mapping[str, np.ndarray], attributes: Mapping[str, str]) -> None:
        """Add a quantity that is computed from the recorded parameters; *sample* is one row to learn its shape from."""
        for name, value in derivation(sample).items():
            if value.ndim > 1:
                self._store.add_channel(array_channel("probes", name, value[0]), attributes)
            else:
                self._store.add_scalars([name], attributes)
        self._derivations.append(derivation)

    def drain(self, ring: Ring) -> None:
        """Move every complete row of the ring into the file."""
        for block in ring.blocks():
            self._store.append(self._complete(block))

    def _complete(self, block: Block) -> Block:
        scalars, channels = dict(block.scalars), dict(block.channels)
        parameters = {}
        for channel in self._parameters:
            values = parameters[channel.name] = channels[channel.path] = _stored(channel, channels[channel.path])
            if channel.features:
                channels.update(_features(channel, values))
        for derivation in self._derivations:
            for name, values in derivation(parameters).items():
                if values.ndim > 1:
                    channels[f"probes/{name}"] = values
                else:
                    scalars[name] = values
        return Block(block.step, block.time, scalars, channels)


def _stored(channel: Channel, values: np.ndarray) -> np.ndarray:
    """Return values as the file holds them: bfloat16 is the upper half of a float32."""
    if channel.dtype == channel.stored_dtype:
        return values
    return (values.astype(np.uint32) << 16).view(np.float32)


def _features(channel: Channel, values: np.ndarray) -> dict[str, np.ndarray]:
    """Return the feature geometry of every row, by path."""
    W = values if channel.features == "columns" else values.swapaxes(-1, -2)
    results = {
        path: np.empty((len(W), *shape), np.float32)
        for path, shape in ((derived.path, derived.shape) for derived in feature_channels(channel))
    }
    batch = max(1, _BATCH_ELEMENTS // max(W[0].size, 1))
    # Weights that have diverged give NaN or inf, which is what the file shall say; no warning belongs in the training.
    with np.errstate(all="ignore"):
        for start in range(0, len(W), batch):
            rows = slice(start, start + batch)
            for target, value in zip(results.values(), measure(W[rows].astype(np.float32, copy=False)), strict=True):
                target[rows] = value
    return results
