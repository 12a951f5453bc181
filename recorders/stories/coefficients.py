"""The local learning coefficient along a run: how many parameters the loss sees where the training rests."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ...dynamics.errors import RecordingError, SettingError
from ...dynamics.experiments.experiment import Experiment
from ...dynamics.landscape.batch_losses import is_one_hot, of_one, population_loss_of
from ...dynamics.landscape.critical_points import refine
from ...dynamics.landscape.derivatives import Loss
from ...dynamics.landscape.hamiltonian import BatchLoss
from ...dynamics.landscape.known_points import nearest_kgon
from ...dynamics.landscape.llc import COARSE, LlcEstimate, estimate_each
from ...dynamics.landscape.minibatches import BatchedLoss, estimate_on_batches
from ...dynamics.landscape.surfaces import PopulationSurface
from ..reading.recording import Recording
from ..text import ShownAsText
from .plateaus import plateau_steps
from .saddles import ToyRows, is_planar_one_hot

PLACES = ("critical", "row")
_WAY_OUT = "give the loss of its examples, with the model and batches: --loss SCRIPT.py:FN"
# A critical point is called by the name of a k-gon at this distance or less.
_SAME = 1e-3


@dataclass(frozen=True)
class LlcRow(ShownAsText):
    """The local learning coefficient at one row, or at the critical point near it (*at* says which).

    llc and error are None where the verdict refuses; what else there is stands in LlcEstimate. loss is that of the
    point (None on minibatches), distance how far it is from the row, √Σ|Δθ|², and known the critical point of theory
    that it is, such as ``5-gon+``, with the coefficient that theory has for it.
    """

    step: int
    at: str
    llc: float | None
    error: float | None
    verdict: str
    loss: float | None
    distance: float
    effective_dimension: float | None
    n_beta: float | None
    localisations: tuple[float, ...]
    values: tuple[float, ...]
    below: float | None
    virial: float | None
    rhat: float | None
    acceptance: float | None
    known: str | None = None
    theory: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {**asdict(self), "localisations": list(self.localisations), "values": list(self.values)}

    def __str__(self) -> str:
        """Return ``step 3745: 8.500 ± 0.004 (theory 8.5) at the 5-gon+, loss 0.062, effective dimension 17.0``."""
        theory = "" if self.theory is None else f" (theory {self.theory:g})"
        if self.known:
            where = f" at the {self.known}"
        else:
            where = " at the row" if self.at == "row" else " at the critical point nearby"
        number = "no number" if self.llc is None else f"{self.llc:.3f} ± {self.error:.3f}{theory}"
        tail = "" if self.loss is None else f", loss {self.loss:.3g}"
        if self.effective_dimension is not None:
            tail += f", effective dimension {self.effective_dimension:.1f}"
        return f"step {self.step}: {number}{where}{tail}" + ("" if self.verdict == "ok" else f"; {self.verdict}")


def llc(
    recording: Recording,
    steps: Sequence[int] | None = None,
    *,
    at: str = "critical",
    instance: int | None = None,
    loss: BatchedLoss | None = None,
    coarse: bool = False,
    seed: int = 0,
) -> list[LlcRow]:
    """Return the local learning coefficient at rows nearest to *steps*, by default the middle of each plateau.

    Of a toy model of the catalogue, at="critical" measures at the critical point near each row, at="row" at the row
    itself. The loss is that of the population, exact where one feature is on at a time, or else over one fixed set of
    samples. Any other network is measured at rows, by default the last, on the minibatches of the *loss* that is given
    (estimate_on_batches()), which is rough. *coarse* is for many rows of a toy model, with fewer draws at fewer
    localisations. Where there is no such number, before a jump or at a saddle, llc is None
    and the verdict says why.

    Raises SettingError for another place or another model, and what landscape() raises.
    Source: Lau et al. 2023, arXiv 2308.12108.
    """
    if at not in PLACES:
        raise SettingError(f"at={at!r} is no place to measure at; choose one of: {', '.join(PLACES)}")
    if loss is not None:
        return _on_batches(recording, steps, loss, seed)
    rows = ToyRows.of(recording, instance, _WAY_OUT)
    chosen = rows.nearest(plateau_steps(recording, None, instance) if steps is None else steps)
    of_models = population_loss_of(rows.toy)
    points = [_point(rows, row, at, of_models) for row in chosen]
    usable = [k for k, point in enumerate(points) if point.refusal is None]
    effort = COARSE if coarse else {}
    found = estimate_each(of_models, np.stack([points[k].theta for k in usable]), seed=seed, **effort) if usable else []
    estimates = dict(zip(usable, found, strict=True))
    return [_told(rows, row, at, points[k], estimates.get(k), of_models) for k, row in enumerate(chosen)]


def _on_batches(recording: Recording, steps: Sequence[int] | None, loss: BatchedLoss, seed: int) -> list[LlcRow]:
    """Return the coefficient of a network at rows, on minibatches."""
    recorded = recording.step[:]
    wanted = [int(recorded[-1])] if steps is None else steps
    rows = dict.fromkeys(int(abs(recorded - step).argmin()) for step in wanted)
    names = [name for name, _ in loss.model.named_parameters()]
    missing = [name for name in names if name not in recording.parameters]
    if missing:
        raise RecordingError(f"{recording.path} has no {missing[0]}, which the loss depends on; record it too")
    told = []
    for row in rows:
        point = {name: recording.parameters[name][row] for name in names}
        found = asdict(estimate_on_batches(loss, point, seed=seed))
        told.append(LlcRow(step=int(recorded[row]), at="row", loss=None, distance=0.0, **found))
    return told


@dataclass(frozen=True, eq=False)
class _Point:
    """Where to measure: W and b, how far that is from the row, and what is known to speak against it."""

    arrays: tuple[np.ndarray, ...]
    distance: float
    refusal: str | None

    @property
    def theta(self) -> np.ndarray:
        return np.concatenate([each.ravel() for each in self.arrays])


def _point(rows: ToyRows, row: int, at: str, loss: BatchLoss) -> _Point:
    """Return the row, or the critical point near it."""
    arrays = tuple(np.asarray(each, dtype=np.float64) for each in rows.parameters(row).values())
    if at == "row":
        return _Point(arrays, 0.0, None)
    found = refine(_smooth(rows.toy, loss), *arrays)
    if not found.converged:
        return _Point(arrays, 0.0, "no critical point found from there")
    distance = _length(found.parameters, arrays)
    if is_one_hot(rows.toy):
        return _Point(found.parameters, distance, None)
    if found.curvature.saddle_index:
        return _Point(found.parameters, distance, f"a {found.kind}")
    # The samples have a minimum of their own beside that of the population.
    closer = refine(of_one(loss), *found.parameters)
    refusal = None if closer.converged else "no minimum of the sampled loss beside that of the population"
    return _Point(closer.parameters, _length(closer.parameters, arrays), refusal)


def _smooth(toy: Experiment, loss: BatchLoss) -> Loss:
    """Return the loss to search critical points on, a function of W and b."""
    return of_one(loss) if is_one_hot(toy) else PopulationSurface.of(toy)


def _length(reached: Sequence[np.ndarray], start: Sequence[np.ndarray]) -> float:
    return float(np.sqrt(sum(np.square(a - b).sum() for a, b in zip(reached, start, strict=True))))


def _told(rows: ToyRows, row: int, at: str, point: _Point, estimate: LlcEstimate | None, loss: BatchLoss) -> LlcRow:
    import torch

    known, theory = _known(rows.toy, point) if at == "critical" else (None, None)
    if estimate is None:
        estimate = LlcEstimate(None, None, point.refusal or "", None, None)
    told = asdict(estimate)
    return LlcRow(
        step=int(rows.recording.step[row]),
        at=at,
        loss=float(loss(torch.from_numpy(point.theta)[None])[0]),
        distance=point.distance,
        known=known,
        theory=theory,
        **told,
    )


def _known(toy: Experiment, point: _Point) -> tuple[str | None, float | None]:
    """Return the k-gon that a point is, and the coefficient that theory has for it."""
    if not is_planar_one_hot(toy):
        return None, None
    known = nearest_kgon(*point.arrays)
    if known.distance > _SAME:
        return None, None
    return known.name, known.llc
