"""Jumps of anything that was logged: a scalar such as the test accuracy, a probe by its columns, without a matrix."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from ...dynamics.chance import FAMILY_WISE, log_chance_of_change
from ...dynamics.errors import RecordingError, SettingError, unknown_name
from ...dynamics.jumps import Jump, detect_jumps
from ...dynamics.jumps.words import describe_loss, describe_signal_jump
from ...dynamics.signals import pieces
from ..reading.recording import Recording
from ..reading.selection import LOSSES
from ..reading.series import Series
from ..text import ShownAsText
from .story import plain

# The range of a signal is that of all but so large a share of its values at either end, which may be spikes.
_TAIL = 0.005


@dataclass(frozen=True)
class SignalStory(ShownAsText):
    """The jumps of one signal, as jumps.Jump has them: their features are the columns of the signal.

    shape is that of a row, () of a scalar; rows is how many have a number in them. loss is the name of the loss that
    was looked at meanwhile, None where there is no other than the signal itself.
    """

    path: str
    signal: str
    shape: tuple[int, ...]
    rows: int
    loss: str | None
    jumps: list[Jump]

    def as_dict(self) -> list[dict[str, Any]]:
        """Return what JSON can hold, a document for each jump; None stands for a number that is not known."""
        return [
            {"signal": self.signal, "columns": self._columns(jump.features)} | plain(asdict(jump))
            for jump in self.jumps
        ]

    def _columns(self, features: Sequence[int]) -> list[str]:
        """Return the columns by name, "attention[3, 1]"; a scalar is one column, "test_acc"."""
        places = [np.unravel_index(k, self.shape) if self.shape else () for k in features]
        return [f"{self.signal}[{', '.join(map(str, place))}]" if place else self.signal for place in places]

    def __str__(self) -> str:
        head = f"{self.signal}, {len(self.jumps)} jump{'' if len(self.jumps) == 1 else 's'}"
        name = (self.loss or "loss").replace("_", " ")
        return "\n".join([head, *(f"  {self.describe(jump)}{describe_loss(jump, name)}" for jump in self.jumps)])

    def describe(self, jump: Jump) -> str:
        """Return one of its jumps in words, without the loss."""
        return describe_signal_jump(jump, self._columns(jump.features))


def kept_in_short(recording: Recording) -> dict[str, Series]:
    """Return the summaries of parameters that may be looked at as signals, by name, "W/norm"."""
    return {
        f"{name}/{quantity}": series
        for name, quantities in recording.summaries.items()
        for quantity, series in quantities.items()
        if quantity != "sketch"
    }


def tell_signal(recording: Recording, name: str, *, share: float = 1.0) -> SignalStory:
    """Return the jumps of a scalar, probe or summary: a column jumps where it goes through a twentieth of its range.

    Told are those that are beyond chance, of which *share* is this signal's: what only wanders goes far too
    (log_chance_of_change()). Rows in which nothing was logged are left out. Raises SettingError for a name that is not
    there and a probe that holds no real numbers, RecordingError where there are no rows.
    """
    known = {**kept_in_short(recording), **recording.scalars, **recording.probes}
    if name not in known:
        raise unknown_name("signal", name, known)
    if not len(recording):
        raise RecordingError(f"{recording.path} has no rows yet")
    shape = tuple(known[name].shape[1:])
    if known[name].dtype.kind not in "fiub":
        raise SettingError(f"signal {name!r} holds {known[name].dtype}; choose one of real numbers")
    values = np.concatenate([each.reshape(len(each), -1) for _, each in pieces(known[name])]).astype(np.float64)
    rows = np.isfinite(values).any(axis=1)
    loss = next((each for each in LOSSES if each in recording.scalars and each != name), None)
    losses = None if loss is None else recording.scalars[loss][:][rows]
    values, step = values[rows], recording.step[:][rows]
    found = (_beyond_chance(jump, values, step, share) for jump in _jumps(values, losses, step))
    jumps = [jump for jump in found if jump.features]
    return SignalStory(str(recording.path), name, shape, len(values), loss, jumps)


def _beyond_chance(jump: Jump, values: np.ndarray, step: np.ndarray, share: float) -> Jump:
    """Return a jump with those of its columns alone that go farther than they would by wandering."""
    level = math.log(FAMILY_WISE * share / values.shape[1])
    kept = [k for k, feature in enumerate(jump.features) if _log_chance(jump, k, values[:, feature], step) < level]
    before, after, sigmas = (part[kept] for part in (jump.before, jump.after, jump.sigmas))
    return replace(jump, features=tuple(jump.features[k] for k in kept), before=before, after=after, sigmas=sigmas)


def _log_chance(jump: Jump, k: int, column: np.ndarray, step: np.ndarray) -> float:
    known = np.isfinite(column)
    first, last = np.searchsorted(step[known], (jump.start, jump.end)).tolist()
    last = min(max(last, first + 1), int(known.sum()) - 1)
    if first >= last:
        return 0.0
    return log_chance_of_change(column[known], first, last, float(jump.after[k] - jump.before[k]))


def _jumps(values: np.ndarray, loss: np.ndarray | None, step: np.ndarray) -> list[Jump]:
    """Return the jumps of *values* (T, k), each column looked at in units of its own range."""
    span = np.array([_range(column[np.isfinite(column)]) for column in values.T])
    jumps = detect_jumps(values / span, loss, step)
    at = [list(jump.features) for jump in jumps]
    return [
        replace(jump, before=jump.before * span[k], after=jump.after * span[k])
        for jump, k in zip(jumps, at, strict=True)
    ]


def _range(known: np.ndarray) -> float:
    """Return the range of *known* values (k,) without spikes, 1 where they are all alike."""
    low, high = np.quantile(known, [_TAIL, 1 - _TAIL]) if known.size else (0.0, 0.0)
    return float(high - low) or float(np.ptp(known) if known.size else 0) or 1.0
