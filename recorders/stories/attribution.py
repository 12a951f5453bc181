"""Whose motion brought a change of the loss between two rows of a recording."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...dynamics.attribution.allocation import Allocation
from ...dynamics.attribution.words import who_paid
from ...dynamics.errors import RecordingError, SettingError
from ...dynamics.experiments.experiment import Experiment
from ..reading.opening import catalogue_entry
from ..reading.recording import Recording
from ..reading.selection import Selection, select
from ..text import ShownAsText
from .loss_shares import PopulationShares, RecordedShares


@dataclass(frozen=True, eq=False)
class AttributionRow(ShownAsText):
    """What each feature's motion, and each parameter's, brought of the change of the loss between two rows.

    loss is the name of the loss, change what it did from the row at step start to that at step end; the allocation's
    total is the same, but for its error. order says how: "integral" along the rows, or "first order", where the loss is
    that of the minibatches and the error what is left.

    by_output has what each output's loss did, as (while its feature was on, while it was off), which is feature benefit
    and interference; None where that is not known. by_member has what the loss of each member of an ensemble
    contributed to the change of their mean, None of a single model. others are the parameters without features, labels
    the user's own names of the features, if there are any.
    """

    start: int
    end: int
    loss: str
    change: float
    allocation: Allocation
    order: str
    parameter: str
    others: tuple[str, ...]
    by_output: dict[int, tuple[float, float]] | None = None
    by_member: dict[int, float] | None = None
    labels: tuple[str, ...] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold, features and members by their numbers as text."""
        outputs = {
            str(k): {"feature_benefit": on, "interference": off, "total": on + off}
            for k, (on, off) in (self.by_output or {}).items()
        }
        allocation = self.allocation.as_dict()
        members = {str(k): change for k, change in (self.by_member or {}).items()}
        return {
            "start": self.start,
            "end": self.end,
            "loss": self.loss,
            "change": known(self.change),
            **allocation,
            "error": known(self.allocation.error),
            "order": self.order,
            "parameter": self.parameter,
            "labels": None if self.labels is None else list(self.labels),
            "by_output": outputs or None,
            "by_member": members or None,
        }

    @property
    def words(self) -> str:
        """Who paid, in one line."""
        told = who_paid(self.allocation, self.others, self.labels)
        return told if self.order == "integral" else f"{told} (first order)"

    def __str__(self) -> str:
        change = f"{self.loss.replace('_', ' ')} {self.change:+.4g}; ".replace("-", "−")
        lines = [f"steps {self.start}-{self.end}: {'' if known(self.change) is None else change}{self.words}"]
        if self.by_output is not None:
            on, off = (sum(change[part] for change in self.by_output.values()) for part in (0, 1))
            lines.append(f"  told while on {on:+.4g}, interference while off {off:+.4g}".replace("-", "−"))
        return "\n".join(lines)


def attribute(
    recording: Recording,
    start: int | None = None,
    end: int | None = None,
    *,
    parameter: str | None = None,
    instance: int | None = None,
) -> AttributionRow:
    """Share out the change of the loss from the recorded row nearest to step *start* to that nearest to *end*.

    By default from the first row to the last that is finite. Of a model of features of the catalogue the loss is the
    population loss, on the samples that its expected_loss was recorded with, and the shares are integrals along all
    rows between (allocate()); of any other training they are sums of what attach(gradients="allocation") recorded.
    *parameter* is the matrix whose features are told, *instance* the member of an ensemble.

    Raises SettingError for steps that are not in the run, or in another order, and where the loss is not known;
    RecordingError where a parameter that the loss takes was not recorded or is not finite; and what select() raises.
    """
    return Payers(recording, parameter, instance).between(start, end)


class Payers:
    """Shares out changes of the loss of one recording; made once for many of them."""

    def __init__(self, recording: Recording, parameter: str | None = None, instance: int | None = None):
        self.selection = selection = select(recording, parameter, instance)
        experiment = _known_experiment(selection)
        if experiment is not None:
            self._loss: PopulationShares | RecordedShares = PopulationShares(selection, experiment, parameter)
        else:
            self._loss = RecordedShares(selection)

    def between(self, start: float | None = None, end: float | None = None) -> AttributionRow:
        """Return who paid between the rows nearest to two steps; see attribute()."""
        selection, loss = self.selection, self._loss
        first, last = self._rows(start, end)
        try:
            allocation, change, by_output = loss.share_out(first, last)
        except ValueError as error:
            if isinstance(error, SettingError):
                raise
            raise RecordingError(f"{selection.recording.path}, rows {first} to {last}: {error}") from error
        return AttributionRow(
            start=int(selection.step[first]),
            end=int(selection.step[last]),
            loss=loss.name,
            change=change,
            allocation=allocation,
            order=loss.order,
            parameter=selection.parameter,
            others=tuple(name for name in allocation.by_parameter if name not in loss.features),
            by_output=by_output,
            by_member=_by_member(selection, first, last),
            labels=selection.labels,
        )

    def _rows(self, start: float | None, end: float | None) -> tuple[int, int]:
        step, diverged = self.selection.step, self.selection.diverged_at
        finite = self._loss.rows if diverged is None else int(np.searchsorted(step, diverged))
        first = 0 if start is None else nearest_row(step, start)
        last = max(0, finite - 1) if end is None else nearest_row(step, end)
        if first >= last:
            raise SettingError(
                f"from step {step[first]} to step {step[last]} of {self.selection.recording.path} nothing moves: "
                "give a later end, or an earlier start"
            )
        return first, last


def known(value: float) -> float | None:
    """Return a number as JSON can hold it, None where it is not known."""
    return float(value) if np.isfinite(value) else None


def nearest_row(step: np.ndarray, wanted: float) -> int:
    """Return the row nearest to a step; raises SettingError for one beyond the run."""
    # Half a step beyond is rounding.
    if not step[0] - 0.5 <= wanted <= step[-1] + 0.5:
        raise SettingError(f"step {wanted} is not in the run, which goes from {step[0]} to {step[-1]}")
    return int(abs(step - wanted).argmin())


def _known_experiment(selection: Selection) -> Experiment | None:
    """Return the experiment of the catalogue whose population loss is known; None where it is none."""
    entry = catalogue_entry(selection.recording.config)
    if not entry or entry.get("model", "toy") == "modular-addition":
        return None
    settings: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in entry.items()
    }
    return Experiment(**settings)


def _by_member(selection: Selection, first: int, last: int) -> dict[int, float] | None:
    """Return what each member's loss contributed to the change of the mean, None where that was not recorded."""
    losses = selection.recording.probes.get("expected_loss_of_instance")
    if selection.model is None or losses is None:
        return None
    changes = (losses[last] - losses[first]) / losses.shape[1]
    return dict(enumerate(changes.tolist()))
