"""Which models of an ensemble a figure shows side by side: of the repeats at one point of the grid, the best."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...dynamics.errors import RecordingError
from ...recorders.reading.recording import Recording
from ...recorders.reading.selection import LOSSES, Selection, select

# What p is, by how the features go together.
_DENSITIES = {
    "independent": "p is the probability that a feature is on.",
    "correlated": "p is the probability that a set of features is on, all of them together.",
    "anticorrelated": "p is the probability that a set has a feature that is on; it never has two.",
}
_ONE_HOT = "Exactly one feature is on at a time."


@dataclass(frozen=True)
class DrawnMember:
    """One model at the end of its training: W (m, n), b (n,) or None, and what its density and kind are called.

    density is None where it is not known, or no number that tells data apart, as of one-hot data.
    """

    W: np.ndarray
    b: np.ndarray | None
    density: float | None
    nonlinearity: str | None
    instance: int | None

    @property
    def title(self) -> str:
        """The density, and that a model is linear if it is."""
        if self.density is None:
            return "" if self.instance is None else f"instance {self.instance}"
        return f"{'linear, ' if self.nonlinearity == 'linear' else ''}$p$ = {self.density:.3g}"


def members(recording: Recording, parameter: str | None = None) -> list[DrawnMember]:
    """Return one model for each density or nonlinearity of an ensemble, or the only model; as they are in the last row.

    Of repeats it is the one with the least loss, the population loss where it was recorded. A point at which that one
    is not finite, as where a task of a sweep failed, is left out. Raises as select() does, and as final_matrices().
    """
    selection = select(recording, parameter)
    W = _matrices(selection)
    b = final(selection, "b") if "b" in recording.parameters else None
    if b is not None and b.shape != (*W.shape[:-2], W.shape[-1]):
        b = None
    if selection.instance is None:
        return [_member(selection, W, b, None)]
    return [_member(selection, W[k], None if b is None else b[k], k) for k in _finite_of_best(selection, W)]


def density_note(selection: Selection) -> str:
    """Return what the density p in the titles is, or how the data are that have none; nothing where it is not known."""
    settings = selection.experiment
    if not settings or settings["model"] == "modular-addition":
        return ""
    return _ONE_HOT if _is_one_hot(settings) else _DENSITIES[settings["correlation"]]


def final(selection: Selection, parameter: str) -> np.ndarray:
    """Return a parameter of all members in the last row, as it was recorded; RecordingError where it was not."""
    recording = selection.recording
    if parameter not in recording.parameters:
        there = [name for name in recording.features if name in recording.parameters]
        way_out = f"its matrices are {', '.join(there)}" if there else "it has no matrix; record with the parameter"
        raise RecordingError(f"{recording.path} has the features of {parameter}, but not {parameter} itself; {way_out}")
    return recording.parameters[parameter][-1]


def final_matrices(selection: Selection) -> np.ndarray:
    """Return the matrices in the last row with features as columns, of all repeats at the points that members() shows.

    Shapes: ([instances,] m, n). Raises RecordingError where the features were recorded without their matrix, and where
    no model is finite.
    """
    W = _matrices(selection)
    if selection.instance is None:
        return W
    repeat = int(selection.experiment.get("repeat", 1))
    first = np.array([k // repeat * repeat for k in _finite_of_best(selection, W)])
    return W[(first[:, None] + np.arange(repeat)).ravel()]


def final_losses(recording: Recording) -> np.ndarray | None:
    """Return each member's loss in the last row that has one, (instances,); None where none was recorded."""
    for name in LOSSES:
        probe = recording.probes.get(f"{name}_of_instance")
        if probe is not None:
            rows = probe[-2:]
            # A member that diverged, or a point of a sweep that failed, has none.
            known = np.isfinite(rows).any(axis=1)
            return rows[known][-1] if known.any() else None
    return None


def best_of_repeats(selection: Selection, instances: int) -> list[int]:
    """Return the member with the least loss at each point of the experiment's grid; all of them without repeats."""
    repeat = int(selection.experiment.get("repeat", 1))
    losses = final_losses(selection.recording)
    if repeat == 1 or losses is None:
        return list(range(0, instances, repeat))
    losses = np.where(np.isfinite(losses), losses, np.inf)
    return [start + int(losses[start : start + repeat].argmin()) for start in range(0, instances, repeat)]


def _matrices(selection: Selection) -> np.ndarray:
    """Return the matrices of all members in the last row with features as columns, ([instances,] m, n)."""
    W = final(selection, selection.parameter)
    W = selection.view.matrices(W)
    if selection.instance is None and not np.isfinite(W).all():
        raise _nothing_finite(selection)
    return W


def _finite_of_best(selection: Selection, W: np.ndarray) -> list[int]:
    """Return the best member at each point, of matrices (instances, m, n), where that is finite."""
    found = [k for k in best_of_repeats(selection, len(W)) if np.isfinite(W[k]).all()]
    if not found:
        raise _nothing_finite(selection)
    return found


def _nothing_finite(selection: Selection) -> RecordingError:
    path, name = selection.recording.path, selection.parameter
    return RecordingError(f"{path} has no {name} that is finite in the last row; plot its levels")


def _member(selection: Selection, W: np.ndarray, b: np.ndarray | None, instance: int | None) -> DrawnMember:
    settings = selection.experiment
    row = 0 if instance is None else instance // int(settings.get("repeat", 1))
    density, nonlinearity = (_at(settings.get(name), row) for name in ("density", "nonlinearity"))
    is_sparse = settings.get("model") != "modular-addition" and not _is_one_hot(settings)
    return DrawnMember(W.astype(float), b, density if is_sparse else None, nonlinearity, instance)


def _is_one_hot(settings: Mapping[str, Any]) -> bool:
    """Whether exactly one feature is on at all times."""
    together = settings.get("correlation"), settings.get("sets"), settings.get("density")
    return together == ("anticorrelated", 1, 1.0)


def _at(value: Any, row: int) -> Any:
    return value[row] if isinstance(value, list | tuple) else value
