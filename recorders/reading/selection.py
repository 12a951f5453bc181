"""What an analysis or a picture looks at in a recording: one matrix of features, of one member if it is an ensemble."""

import json
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ...dynamics.errors import RecordingError, SettingError
from ...dynamics.experiments import EXPERIMENTS
from ...dynamics.signals import MOST_BYTES
from ..ring.matrices import MatrixView
from .divergence import first_row_of_member
from .indexing import as_slice
from .matching import only_match
from .members import Member
from .opening import catalogue_entry
from .recording import Recording
from .series import Series

# By which loss a training is told, the first that there is: that of the population, or that of the minibatches.
LOSSES = ("expected_loss", "loss")


@dataclass(frozen=True)
class Selection:
    """One matrix of features of a recording, and how it is named."""

    recording: Recording
    parameter: str
    instance: int | None

    @property
    def step(self) -> np.ndarray:
        """The steps of the rows, (T,): in memory, eight bytes a row."""
        return self.recording.step[:]

    @property
    def dimensionality(self) -> Series | Member:
        """D of every feature in every row, (T, n), read from the file as it is sliced."""
        series = self.recording.features[self.parameter]["dimensionality"]
        return series if self.instance is None else Member(series, self.instance)

    @property
    def has_weights(self) -> bool:
        """Whether the matrix itself was recorded, and not only what is derived from it."""
        return self.parameter in self.recording.parameters

    @property
    def weights(self) -> Series:
        """The matrix as it was recorded, (T, [instances,] ...); raises RecordingError where it was not."""
        if not self.has_weights:
            name = self.parameter
            raise RecordingError(f"{self.recording.path} has the features of {name}, but not {name}; record it too")
        return self.recording.parameters[self.parameter]

    @cached_property
    def view(self) -> MatrixView:
        """How the parameter is seen as matrices with features as columns."""
        return MatrixView.of(self.weights.attrs)

    @property
    def which(self) -> str:
        """Which of several matrices it is, such as "head 3" or "instance 3"; empty where there is one."""
        if self.instance is None:
            return ""
        return f"{self.view.instances_are if self.has_weights else 'instance'} {self.instance}"

    @property
    def model(self) -> int | None:
        """Which model of an ensemble it is of; None of a single one, of which a pattern may have made instances."""
        return None if self.has_weights and self.view.is_pattern else self.instance

    def weights_at(self, rows: slice) -> np.ndarray:
        """Return the matrix in some of the rows with features as columns, read without the others; (rows, m, n)."""
        series, view = self.weights, self.view
        if self.instance is None or not view.is_pattern:
            return view.matrices(series[rows] if self.instance is None else series[rows, self.instance])
        chosen, most = range(len(series))[rows], max(1, MOST_BYTES // max(1, math.prod(series.shape[1:]) * 8))
        # A pattern may take an instance from anywhere, so that all are read, some rows at a time.
        parts = [chosen[start : start + most] for start in range(0, len(chosen), most)] or [chosen]
        return np.concatenate([view.matrices(series[as_slice(part)])[:, self.instance] for part in parts])

    def matrices_at(self, row: int) -> np.ndarray:
        """Return the matrices of all instances in a row with features as columns, ([instances,] m, n)."""
        return self.view.matrices(self.weights[row])

    @property
    def elements(self) -> int:
        """How many elements the matrix has."""
        return math.prod(self.view.shape(self.weights.shape[1:])[-2:])

    @cached_property
    def labels(self) -> tuple[str, ...] | None:
        """The user's own names of the features, None where there are none."""
        if not self.has_weights or (text := self.weights.attrs.get("labels")) is None:
            return None
        labels = tuple(json.loads(str(text)))
        return labels if len(labels) == self.dimensionality.shape[-1] else None

    @property
    def subject(self) -> str:
        """Whose directions are meant, such as "tokens of tok.weight"; the parameter alone where that is not known."""
        meaning = self.weights.attrs.get("features_are") if self.has_weights else None
        return f"{meaning} of {self.parameter}" if meaning else self.parameter

    def loss(self, name: str) -> np.ndarray | None:
        """Return the loss of that name, of the chosen member where each has its own; None where it was not logged.

        It is in memory, eight bytes a row.
        """
        of_instance = f"{name}_of_instance"
        if self.model is not None and of_instance in self.recording.probes:
            return self.recording.probes[of_instance][:, self.model]
        if name not in self.recording.scalars:
            return None
        values = self.recording.scalars[name][:]
        return values if np.isfinite(values).any() else None

    def told_loss(self) -> tuple[str | None, np.ndarray | None]:
        """Return the loss that a training is told by, its name and its values; None where none was logged."""
        losses = ((name, values) for name in LOSSES if (values := self.loss(name)) is not None)
        return next(losses, (None, None))

    @cached_property
    def diverged_at(self) -> int | None:
        """The first step at which what is shown is not finite; of an ensemble only the member's matrix is asked."""
        step = self.recording.diverged_at
        if step is None or self.model is None:
            return step
        row = first_row_of_member(self.weights, self.model) if self.has_weights else None
        return None if row is None else int(self.recording.step[row])

    @property
    def last_step(self) -> int:
        """The step at which a picture ends: the last one, or that at which what is shown diverged."""
        return int(self.step[-1]) if self.diverged_at is None else self.diverged_at

    @property
    def experiment(self) -> dict[str, Any]:
        """The settings of the catalogue's experiment; empty for any other training."""
        return catalogue_entry(self.recording.config)

    @property
    def sets(self) -> np.ndarray | None:
        """Which set each feature belongs to, (n,); None where features have no sets."""
        count = self.experiment.get("sets", 1)
        n = self.recording.features[self.parameter]["dimensionality"].shape[-1]
        return np.arange(n) // (n // count) if count > 1 else None

    @property
    def heading(self) -> str:
        """What the experiment is about: its title in the catalogue, where its sizes are those of the catalogue."""
        step = self.recording.diverged_at
        who = "" if self.model is None else " an instance"
        return self._subject if step is None else f"{self._subject};{who} diverged at step {step:,}"

    @property
    def _subject(self) -> str:
        settings = self.experiment
        if not settings:
            return self.recording.path.stem
        known, sizes = EXPERIMENTS.get(settings["name"]), ("n_features", "n_hidden")
        if known is None or all(settings[size] == getattr(known, size) for size in sizes):
            return settings["title"]
        return "{name}: n = {n_features} features in m = {n_hidden} dimensions".format(**settings)

    @property
    def title(self) -> str:
        """What the picture shows, in one line, and where it diverged."""
        return self._shown if self.diverged_at is None else f"{self._shown}, diverged at step {self.diverged_at:,}"

    @property
    def _shown(self) -> str:
        settings = self.experiment
        if not settings:
            return ", ".join(filter(None, (f"{self.recording.path.stem}: {self.subject}", self.which)))
        p = f"{self._of_member(settings['density']):g}"
        density = f", density p = {p}"
        if settings["correlation"] == "anticorrelated":
            density = f", one of {settings['n_features'] // settings['sets']} on with p = {p}"
        if settings["model"] == "modular-addition":
            density = ""
        linear = "linear, " if self._of_member(settings["nonlinearity"]) == "linear" else ""
        member = "" if self.instance is None else f", instance {self.instance} of {settings['n_instances']}"
        return (
            f"{settings['name']}: {linear}n = {settings['n_features']} features "
            f"in m = {settings['n_hidden']} dimensions{density}{member}"
        )

    def _of_member(self, value: Any) -> Any:
        """Return a setting's value for the member that is shown; a list has one for each row of the grid."""
        if not isinstance(value, list):
            return value
        return value[(self.instance or 0) * len(value) // (self.experiment["n_instances"] or 1)]


def select(recording: Recording, parameter: str | None = None, instance: int | None = None) -> Selection:
    """Return what to look at: by default the first parameter with features, and of an ensemble the first member.

    *parameter* is a name, or a glob that matches one. Raises RecordingError where there is nothing to show, and
    SettingError for a parameter or instance that is not there, and a glob that matches several.
    """
    if not len(recording):
        raise RecordingError(f"{recording.path} has no rows yet")
    if not recording.features and recording.summaries:
        raise RecordingError(
            f"{recording.path} keeps summaries, and of no feature by itself; dyn info and dyn plot {recording.path} "
            "overview tell of its matrices"
        )
    if not recording.features:
        raise RecordingError(f"{recording.path} has no features; record with features={{'NAME': 'columns'}}")
    name = next(iter(recording.features))
    if parameter is not None:
        if parameter not in recording.features and parameter in recording.parameters:
            raise SettingError(
                f"parameter={parameter!r} {recording.parameters[parameter].shape[1:]} was recorded without features; "
                f"record with features={{{parameter!r}: 'columns'}}, or choose one of {', '.join(recording.features)}"
            )
        name = only_match("parameter with features", parameter, recording.features)
    shape = recording.features[name]["dimensionality"].shape
    if len(shape) == 2:
        if instance is not None:
            raise SettingError(f"instance={instance}: {recording.path} is no ensemble; leave it out")
        return Selection(recording, name, None)
    instance = 0 if instance is None else instance
    if len(shape) != 3 or not 0 <= instance < shape[1]:
        raise SettingError(f"instance={instance} is not among the {shape[1]} of {recording.path}; count from 0")
    return Selection(recording, name, instance)
