"""The landscape about chosen rows of a recording: is this plateau a saddle, and which?"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ...dynamics.chance import judge
from ...dynamics.errors import RecordingError, SettingError
from ...dynamics.experiments.experiment import Experiment
from ...dynamics.landscape.critical_points import refine
from ...dynamics.landscape.derivatives import Loss
from ...dynamics.landscape.known_points import nearest_kgon
from ...dynamics.landscape.spectrum import EXACT_SIZE, Curvature, curvature
from ...dynamics.landscape.surfaces import PopulationSurface
from ...dynamics.landscape.symmetries import rotations
from ..reading.opening import catalogue_entry
from ..reading.recording import Recording
from ..reading.selection import Selection, select
from ..text import ShownAsText
from .plateaus import plateau_steps

# How many of the lowest eigenvalues a row lists.
_LISTED = 10
_TOY_PARAMETERS = ("W", "b")


@dataclass(frozen=True)
class LandscapeRow(ShownAsText):
    """The landscape about one row, and the critical point near it.

    loss, gradient_norm and eigenvalues (the lowest, ascending) are those at the row, length is |θ| = √Σθ²;
    saddle_index is how many eigenvalues are below 0 (see curvature()), None where that is not known.

    kind says what is near, such as ``saddle of index 8``, with that index, its loss, its distance √Σ|Δθ|² and what its
    features form. All are None where the model is too large for the search; index is None where there is no such
    point, and loss, distance and polytopes are then those of where the gradient was shortest.

    known is the nearest of the critical points that theory knows, such as ``5-gon+``, and known_distance how far the
    row is from it; None where theory knows none (see nearest_kgon()).
    """

    step: int
    loss: float
    gradient_norm: float
    length: float
    saddle_index: int | None
    eigenvalues: tuple[float, ...]
    kind: str | None = None
    index: int | None = None
    critical_loss: float | None = None
    distance: float | None = None
    polytopes: str | None = None
    known: str | None = None
    known_distance: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {**asdict(self), "eigenvalues": list(self.eigenvalues)}

    def __str__(self) -> str:
        """Return ``step 400: loss 0.0028, saddle of index 8 (2 × merged), 0.02 away (1 % of |θ|)``."""
        head = f"step {self.step}: loss {self.loss:.2g}" if self.loss < 1 else f"step {self.step}: loss {self.loss:.4g}"
        known = f"; {self.known_distance:.2g} from the {self.known}" if self.known else ""
        if self.distance is None:
            index = "unknown" if self.saddle_index is None else self.saddle_index
            slope = f"gradient {self.gradient_norm:.2g}, index {index}"
            return f"{head}, {slope}; too large to search for a critical point{known}"
        if self.index is None:
            return f"{head}, no critical point found from there{known}"
        share = f" ({100 * self.distance / self.length:.0f} % of |θ|)" if self.length else ""
        return f"{head}, {self.kind} ({self.polytopes}), {self.distance:.2g} away{share}{known}"


def landscape(
    recording: Recording,
    steps: Sequence[int] | None = None,
    *,
    parameter: str | None = None,
    instance: int | None = None,
    loss: Loss | None = None,
) -> list[LandscapeRow]:
    """Return the landscape about the recorded rows nearest to *steps*, by default the middle of each plateau.

    The loss is a function of the parameters, float64 tensors in the order of recording.parameters, that torch can
    differentiate twice; over data, always over the same. A toy model of the catalogue has its own, the population
    loss (PopulationSurface), and its eigenvalues are those across the rotations of hidden space, which leave that loss
    as it is. *parameter* is the matrix whose features are named, *instance* the member of an ensemble; by default the
    first. Plateaus are those of plateau_steps().

    The critical point is searched for in models of up to 600 parameters: in a second for six features in three
    dimensions, in some ten for thirty in five.

    Raises SettingError where a loss has to be given, RecordingError where a row is not finite or a parameter that the
    loss takes was not recorded, and what select() and plateau_steps() raise.
    """
    view = _View.of(recording, parameter, instance, loss)
    chosen = plateau_steps(recording, parameter, instance) if steps is None else steps
    return [_look(view, row) for row in view.rows(chosen)]


def curvatures(
    recording: Recording,
    steps: Sequence[int],
    *,
    parameter: str | None = None,
    instance: int | None = None,
    loss: Loss | None = None,
) -> dict[int, Curvature]:
    """Return gradient norm and Hessian spectrum at the rows nearest to *steps*, by the step of the row.

    Arguments and errors are those of landscape(), and so are the directions: across rotations, of a toy model.
    """
    view = _View.of(recording, parameter, instance, loss)
    return {int(recording.step[row]): view.curvature(row) for row in view.rows(steps)}


@dataclass(frozen=True)
class _View:
    """The loss that a recording's parameters of these *names* move on; toy is the experiment of a toy model alone."""

    selection: Selection
    loss: Loss
    names: tuple[str, ...]
    toy: Experiment | None

    @classmethod
    def of(cls, recording: Recording, parameter: str | None, instance: int | None, loss: Loss | None) -> "_View":
        """Return the view of one member, with its own loss where none is given."""
        selection = select(recording, parameter, instance)
        if loss is not None:
            return cls(selection, loss, tuple(recording.parameters), None)
        toy = _toy(selection)
        return cls(selection, PopulationSurface.of(toy), _TOY_PARAMETERS, toy)

    def rows(self, steps: Sequence[int]) -> list[int]:
        """Return the rows nearest to *steps*, each once; raises SettingError for a step beyond the run."""
        recorded = self.selection.step
        first, last = int(recorded[0]), int(recorded[-1])
        for step in steps:
            # Half a step beyond is rounding.
            if not first - 0.5 <= step <= last + 0.5:
                raise SettingError(f"step {step} is not in the run, which goes from {first} to {last}")
        return [*dict.fromkeys(int(abs(recorded - step).argmin()) for step in steps)]

    def parameters(self, row: int) -> dict[str, np.ndarray]:
        """Return what the loss takes, in one row."""
        return {name: _values(self.selection, name, row) for name in self.names}

    def curvature(self, row: int) -> Curvature:
        """Return the curvature there, of a toy model that across rotations."""
        arrays = self.parameters(row).values()
        return curvature(self.loss, *arrays, symmetries=None if self.toy is None else rotations(*arrays))


@dataclass(frozen=True)
class ToyRows:
    """The rows of one toy model of the catalogue, and the experiment of that model alone."""

    recording: Recording
    toy: Experiment
    _view: _View

    @classmethod
    def of(cls, recording: Recording, instance: int | None, way_out: str) -> "ToyRows":
        """Raise SettingError where it is of no toy model, with the *way_out*, or has no such instance."""
        if catalogue_entry(recording.config).get("model", "") != "toy":
            raise SettingError(
                f"{recording.path} is not of a toy model of the catalogue, whose loss is known; {way_out}"
            )
        selection = select(recording, None, instance)
        toy = _toy(selection)
        return cls(recording, toy, _View(selection, PopulationSurface.of(toy), _TOY_PARAMETERS, toy))

    def nearest(self, steps: Sequence[int]) -> list[int]:
        """Return the rows nearest to *steps*, each once; raises SettingError for a step beyond the run."""
        return self._view.rows(steps)

    def parameters(self, row: int) -> dict[str, np.ndarray]:
        """Return W and b in one row; raises RecordingError where they are not finite or not there."""
        return self._view.parameters(row)


def _look(view: _View, row: int) -> LandscapeRow:
    here, parameters = view.curvature(row), view.parameters(row)
    seen: dict[str, Any] = {
        "step": int(view.selection.recording.step[row]),
        "loss": here.loss,
        "gradient_norm": here.gradient_norm,
        "length": float(np.sqrt(sum(np.square(each).sum() for each in parameters.values()))),
        "saddle_index": here.saddle_index,
        "eigenvalues": tuple(here.eigenvalues[:_LISTED].tolist()),
    }
    if view.toy is not None and is_planar_one_hot(view.toy):
        known = nearest_kgon(*parameters.values())
        seen |= {"known": known.name, "known_distance": known.distance}
    if sum(each.size for each in parameters.values()) <= EXACT_SIZE:
        seen |= _search(view, parameters)
    return LandscapeRow(**seen)


def _search(view: _View, parameters: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return what a row tells of the critical point near it."""
    found = refine(view.loss, *parameters.values())
    selection = view.selection
    W = found.parameters[view.names.index(selection.parameter)]
    matrix = selection.view.matrices(W)
    if selection.model != selection.instance:
        # One of those that a pattern makes of the model's parameter.
        matrix = matrix[selection.instance or 0]
    return {
        "kind": found.kind,
        "index": found.curvature.saddle_index if found.converged else None,
        "critical_loss": found.curvature.loss,
        "distance": found.distance,
        "polytopes": judge(matrix).form,
    }


def _toy(selection: Selection) -> Experiment:
    """Return the experiment of the toy model that was recorded, of the member that is looked at alone."""
    recording, entry = selection.recording, catalogue_entry(selection.recording.config)
    if not entry or entry.get("model", "toy") != "toy":
        names = ", ".join(recording.parameters)
        raise SettingError(
            f"{recording.path} is not of a toy model of the catalogue, whose loss is known; give "
            f"dyn.recorders.landscape.landscape(recording, loss=...) a function of the tensors {names}"
        )
    settings: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in entry.items()
    }
    return Experiment(**settings).member(selection.instance or 0)


def is_planar_one_hot(toy: Experiment) -> bool:
    """Return whether the k-gons are critical points: one of equal features is on at a time, in two dimensions."""
    one_hot = toy.correlation == "anticorrelated" and toy.sets == 1 and toy.density == 1
    return one_hot and toy.n_hidden == 2 and toy.nonlinearity == "relu" and len(set(toy.loss_weights())) == 1


def _values(selection: Selection, name: str, row: int) -> np.ndarray:
    """Return a parameter in one row, of the member that is looked at."""
    recording = selection.recording
    if name not in recording.parameters:
        raise RecordingError(f"{recording.path} has no {name}, which the loss depends on; record it too")
    series = recording.parameters[name]
    values = series[row] if selection.model is None else series[row, selection.model]
    if not np.isfinite(values).all():
        raise RecordingError(f"{name} is not finite at step {recording.step[row]} of {recording.path}; choose another")
    return values
