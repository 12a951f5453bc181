"""A task: an ensemble of models at neighbouring points of a sweep, what it is called, and how it is trained."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ...dynamics.experiments.experiment import Experiment
from ...dynamics.training.at_rest import at_rest
from ...dynamics.training.on_population import train_on_population

if TYPE_CHECKING:
    from ...dynamics.training.loop import Training

# What models are trained on: the exact population loss, or minibatches of samples.
Way = Literal["population", "samples"]
# Part of every task's name; raised when the same settings come to give other results.
_VERSION = 2


@dataclass(frozen=True)
class SweepTask:
    """An ensemble over densities, importances and repeats, trained as one.

    place says where its points lie in the sweep, one slice for each axis; recorded whether its trajectories are kept
    or its last rows only; rested whether its models are followed to the critical points next to them.
    """

    experiment: Experiment
    place: tuple[slice, ...]
    way: Way
    recorded: bool = False
    rested: bool = False

    @cached_property
    def name(self) -> str:
        """What the task is called: a hash of everything that decides its results."""
        ends = " at rest" if self.rested else ""
        what = f"{_VERSION} {self.way} {self.recorded} {_text(self.experiment)}{ends}"
        return sha256(what.encode()).hexdigest()[:32]

    @property
    def shape(self) -> tuple[int, ...]:
        """How many points it has along each axis."""
        return tuple(part.stop - part.start for part in self.place)

    def train(self) -> dict[str, np.ndarray]:
        """Train its models; return each array, (instances, …) of final values or (instances, rows, …) of trajectories.

        They are the parameters by name, what the experiment evaluates (expected_loss …), of trajectories the steps of
        the rows, (rows,), and of models followed to rest what at_rest() finds.
        """
        arrays = self._trained()
        return arrays | at_rest(self.experiment, arrays["W"], arrays["b"]) if self.rested else arrays

    def _trained(self) -> dict[str, np.ndarray]:
        if self.way == "population":
            W, b, loss = train_on_population(self._seeded)
            return {"W": W, "b": b, "expected_loss": loss}
        # A plan is made of tasks, and shall not wait for torch.
        from ...dynamics.training.evaluation import evaluation_of

        rows, steps = _rows(self._seeded, every=self.experiment.every if self.recorded else None)
        arrays = rows | evaluation_of(self.experiment)(self._seeded)(rows)
        if not self.recorded:
            return {name: values[-1] for name, values in arrays.items()}
        return {name: values.swapaxes(0, 1) for name, values in arrays.items()} | {"step": steps}

    @property
    def _seeded(self) -> Experiment:
        """The experiment with a seed of its own, or models at the same place of two tasks would begin alike."""
        from ...dynamics.training.models import instance_seed

        words = np.frombuffer(sha256(_text(self.experiment).encode()).digest()[:16], dtype="<u4")
        return self.experiment.with_settings(seed=instance_seed(*map(int, words)) % 2**32)


def _text(experiment: Experiment) -> str:
    return json.dumps(experiment.settings, sort_keys=True)


def training_of(experiment: Experiment) -> "Training":
    """Return the training on samples of an experiment, by the fused step where it takes one."""
    from ...dynamics.training.fused import FusedTraining, is_fusible
    from ...dynamics.training.loop import Training

    return (FusedTraining if is_fusible(experiment) else Training)(experiment)


def _rows(experiment: Experiment, *, every: int | None) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Train on samples; return the parameters before every so many steps and at the end, (rows, …), and their steps."""
    training = training_of(experiment)
    taken = [(k, _parameters(training)) for k, _ in enumerate(training) if every and k % every == 0]
    taken.append((len(training), _parameters(training)))
    steps, rows = zip(*taken, strict=True)
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}, np.array(steps)


def _parameters(training: "Training") -> Mapping[str, Any]:
    return {name: p.detach().cpu().numpy().copy() for name, p in training.model.named_parameters()}
