"""The story of a recorded ensemble: how its members end, and when they jump."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...dynamics.ensembles.one_ensemble import EnsembleSummary, summarise
from ...dynamics.polytopes.wholes import in_words
from ..reading.members import Members
from ..reading.recording import Recording
from ..reading.selection import LOSSES, Selection, select
from ..text import ShownAsText
from .judging import are_told

# So many members are looked at, which takes seconds; more tell the same with smaller errors.
_MOST = 50
# Quartiles of the jumps' steps.
_QUARTILES = (25, 50, 75)


@dataclass(frozen=True)
class EnsembleStory(ShownAsText):
    """What the first *looked_at* of an ensemble's *members* have in common."""

    parameter: str
    members: int
    looked_at: int
    summary: EnsembleSummary
    diverged_at: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        outcomes = [
            {"members": count, "polytopes": dict(found)} for found, count in self.summary.outcomes.most_common()
        ]
        levels = {
            name: {"share": float(share), "spread": float(spread)}
            for name, share, spread in zip(
                self.summary.levels, self.summary.occupancy[-1], self.summary.spread[-1], strict=True
            )
        }
        return {
            "parameter": self.parameter,
            "members": self.members,
            "looked_at": self.looked_at,
            "outcomes": outcomes,
            "levels": levels,
            "diverged_at": self.diverged_at,
            "jump_times": [times.tolist() for times in self.summary.jump_times],
        }

    def __str__(self) -> str:
        lines = (
            [] if self.diverged_at is None else [f"{self.parameter}, an instance diverged at step {self.diverged_at}"]
        )
        lines += [f"{self.parameter}, the ends of {self.looked_at} of {self.members} instances"]
        for found, count in self.summary.outcomes.most_common():
            lines.append(f"  {count:4d}: {in_words(dict(found))}")
        return "\n".join([*lines, self._jumps])

    @property
    def _jumps(self) -> str:
        counts = [len(times) for times in self.summary.jump_times]
        times = np.concatenate(self.summary.jump_times)
        head = f"{self.parameter}, {len(times)} jumps, {min(counts)} to {max(counts)} in an instance"
        if not len(times):
            return head
        low, middle, high = np.percentile(times, _QUARTILES)
        return f"{head}, half of them between steps {low:.0f} and {high:.0f}, their median at {middle:.0f}"


def tell_ensemble(recording: Recording, parameter: str | None = None) -> EnsembleStory:
    """Return what the members of a recorded ensemble have in common, of the first parameter with features by default.

    Raises SettingError where the recording is none of an ensemble, or lacks the parameter's features, RecordingError
    where it lacks the parameter itself.
    """
    selection = select(recording, parameter, 0)
    series = recording.features[selection.parameter]["dimensionality"]
    members, looked_at = series.shape[1], min(_MOST, series.shape[1])
    W = selection.matrices_at(-1)[:looked_at]
    is_told = are_told(recording, selection.parameter, looked_at)
    summary = summarise(
        Members(series, looked_at), _losses(selection, looked_at), W, step=selection.step, is_told=is_told
    )
    return EnsembleStory(selection.parameter, members, looked_at, summary, recording.diverged_at)


def _losses(selection: Selection, looked_at: int) -> Members | np.ndarray:
    """Return the loss of each member, (T, k), the population loss if there is one; NaN where none was recorded."""
    for name in LOSSES if selection.model is not None else ():
        of_instance = selection.recording.probes.get(f"{name}_of_instance")
        if of_instance is not None:
            return Members(of_instance, looked_at)
    return np.broadcast_to(np.nan, (len(selection.recording), looked_at))
