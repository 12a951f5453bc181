"""Draining a ring: what is derived from rows, and the way of both into the store. A writer process loads no torch."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Protocol

import numpy as np

from ...dynamics.errors import SettingError
from ..file.store import Store
from ..ring.channels import Block, array_channel, check_name, is_in_turn, stored_dtype
from ..ring.derived import with_features
from ..ring.ring import Ring, State

Derivation = Callable[[Mapping[str, np.ndarray]], Mapping[str, np.ndarray]]


class Filter(Protocol):
    """Decides which rows are kept; see :class:`dyn.recorders.schedule.trigger.TriggerFilter`."""

    def split(self, steps: np.ndarray, losses: np.ndarray, *, final: bool = False) -> tuple[np.ndarray, int]:
        """Return which rows are kept of the first so many that are decided."""
        ...


class Drain:
    """Moves the complete rows of a ring into a store, with what is derived from them.

    Features and the other derived quantities are computed here, in batches, so that none of it is paid for by the
    step that is being recorded.
    """

    def __init__(self, ring: Ring, store: Store, keep: Filter | None = None):
        self.ring = ring
        self.store = store
        # The filter, by the row that it was last told of.
        self._keep = {} if keep is None else {ring.tail: keep}
        # The rows before this one were offered to it.
        self._offered = 0
        # Of summaries what few rows have.
        self._in_turn = [each.path for each in ring.layout.channels if each.group == "summaries" and is_in_turn(each)]
        self._derivations: list[Derivation] = []
        self._derived: list[str] = []

    def derive(self, derivation: Derivation, sample: Mapping[str, np.ndarray], attributes: Mapping[str, str]) -> None:
        """Add a quantity that is computed from the recorded parameters; *sample* is one row to learn its shape from.

        Raises SettingError for a name that is taken.
        """
        found = {_derived_path(name, value): (name, value) for name, value in derivation(sample).items()}
        taken = [*self._derived, *self.ring.layout.starts, *(f"scalars/{name}" for name in self.ring.names)]
        earlier = self.store.arrays.keys() - taken
        for path, (_, value) in found.items():
            check_name(path, [*taken, *(earlier - {path})], where="derive()")
            taken.append(path)
            # The recording is one that goes on, and had this quantity before.
            if path in earlier and self.store.arrays[path].shape[1:] != value.shape[1:]:
                raise SettingError(f"{path!r} in derive() had another shape in the part that was recorded before")
        for path, (name, value) in found.items():
            if path in earlier:
                continue
            if value.ndim > 1:
                self.store.add_channel(array_channel("probes", name, value[0]), attributes)
            else:
                self.store.add_scalars([name], attributes)
        self._derived += found
        self._derivations.append(derivation)

    def take(self, stop: int, *, final: bool = False) -> None:
        """Move the rows before *stop*; with a filter those that are decided, which are all when it is final."""
        start = self.ring.tail
        if not self._keep:
            for block in self.ring.blocks(start, stop):
                self._append(block)
                start += len(block)
                self.ring.tail = start
        elif stop > start and (final or stop > self._offered):
            self._take_filtered(start, stop, final=final)
            self._offered = stop

    def _take_filtered(self, start: int, stop: int, *, final: bool) -> None:
        # What it decides counts once the rows are moved; an interruption may come before.
        keep = deepcopy(self._keep[start])
        blocks = list(self.ring.blocks(start, stop))
        unknown = np.full(stop - start, np.nan)
        losses = np.concatenate([block.scalars.get("loss", unknown[: len(block)]) for block in blocks])
        kept, decided = keep.split(np.concatenate([block.step for block in blocks]), losses, final=final)
        offset = 0
        for block in blocks:
            rows = kept[(kept >= offset) & (kept < offset + len(block))] - offset
            if len(rows):
                self._append(block.take(rows))
            offset += len(block)
        self._keep = {start: self._keep[start], start + decided: keep}
        self.ring.tail = start + decided

    def _append(self, block: Block) -> None:
        complete, parameters = with_features(block, self.ring.layout.channels)
        for derivation in self._derivations:
            for name, values in derivation(parameters).items():
                if values.ndim > 1:
                    stored = stored_dtype(values.dtype)
                    complete.channels[_derived_path(name, values)] = values.astype(stored, copy=False)
                else:
                    complete.scalars[name] = values
        for path in self._in_turn:
            # What stands where nothing was measured is there by itself.
            if np.isnan(complete.channels[path]).all():
                del complete.channels[path]
        self.store.append(complete)
        self.ring.filed = int(block.step[-1])


def finish(drain: Drain) -> None:
    """Move the rows that are left and close the file, with the status that the ring says."""
    drain.take(drain.ring.complete, final=True)
    status = "aborted" if drain.ring.state is State.RECORDING else drain.ring.state.name.lower()
    drain.store.close(status, **drain.ring.ending)


def _derived_path(name: str, values: np.ndarray) -> str:
    return f"probes/{name}" if values.ndim > 1 else f"scalars/{name}"
