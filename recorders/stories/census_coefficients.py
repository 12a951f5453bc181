"""The local learning coefficient of the commonest configuration at each point of a census."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ...dynamics.experiments.experiment import Experiment
from ...dynamics.landscape.batch_losses import of_one, population_loss_of
from ...dynamics.landscape.critical_points import refine
from ...dynamics.landscape.llc import LlcEstimate, estimate
from ...dynamics.landscape.symmetries import rotations
from ..sweeps.as_recording import Progress
from ..sweeps.census import CensusPoint, census_of
from ..sweeps.sweep import Sweep
from ..text import ShownAsText

# The minimum of the sampled loss is that of the population where it is no farther away than this fraction of |θ|.
_BESIDE = 0.05


@dataclass(frozen=True, eq=False)
class CensusCoefficient(ShownAsText):
    """The coefficient of the commonest configuration at one point, and the one it has if its minimum is regular.

    settings are the point's, name the configuration's, None where no model came to rest. regular is half the number of
    parameters less the rotations of hidden space.
    """

    settings: dict[str, Any]
    name: str | None
    regular: float | None
    estimate: LlcEstimate

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        found = asdict(self.estimate)
        found |= {name: list(found[name]) for name in ("localisations", "values")}
        return {"settings": self.settings, "name": self.name, "regular": self.regular, **found}

    def __str__(self) -> str:
        """Return ``density=0.05, n_hidden=2, n_features=5: 7.018 ± 0.034, regular 7, of the pentagon``."""
        where = ", ".join(f"{name}={value}" for name, value in self.settings.items())
        it = self.estimate
        if self.name is None:
            return f"{where}: {it.verdict}"
        number = "no number" if it.llc is None else f"{it.llc:.3f} ± {it.error:.3f}"
        tail = "" if it.verdict == "ok" else f"; {it.verdict}"
        return f"{where}: {number}, regular {self.regular:g}, of {self.name}{tail}"


def census_coefficients(sweep: Sweep, *, seed: int = 0, progress: Progress = iter) -> Iterator[CensusCoefficient]:
    """Yield the coefficient of the commonest configuration at each point of a census, which *progress* wraps.

    The loss is the mean over one fixed set of samples, or exact where one feature is on at a time, as in llc(); it is
    measured at the minimum of that loss next to the configuration's. Raises RecordingError where the models of the
    sweep were not followed to rest.
    """
    points = census_of(sweep).points
    entry = Experiment(**sweep.experiment)
    for k in progress(range(len(points))):
        settings = points[k].settings
        yield _of_point(points[k], entry.with_settings(**settings), seed)


def _of_point(point: CensusPoint, toy: Experiment, seed: int) -> CensusCoefficient:
    if point.commonest is None:
        return CensusCoefficient(point.settings, None, None, _refused("no model came to rest"))
    it, loss = point.commonest.configuration, population_loss_of(toy)
    closer = refine(of_one(loss), it.W, it.b)
    length = float(np.sqrt(np.square(it.W).sum() + np.square(it.b).sum()))
    if closer.converged and closer.distance <= _BESIDE * length:
        found = estimate(loss, np.concatenate([each.ravel() for each in closer.parameters]), seed=seed)
    else:
        found = _refused("no minimum of the sampled loss beside that of the population")
    turns = int(np.linalg.matrix_rank(rotations(it.W, it.b)))
    return CensusCoefficient(point.settings, it.name, (it.W.size + it.b.size - turns) / 2, found)


def _refused(reason: str) -> LlcEstimate:
    return LlcEstimate(None, None, reason, None, None)
