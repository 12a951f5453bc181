"""The training loop of an experiment: model, data, optimizer and schedule."""

import math
import re
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import torch
from torch import Tensor

from ..errors import SettingError
from ..experiments.experiment import Experiment
from .attention import InductionModels, RepeatedSequences
from .feature_data import FeatureDistribution
from .models import AbsoluteValueModel, ToyModel, instance_seed
from .modular_addition import AdditionTable, ModularAddition

_OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}
_SCHEDULES = {
    "constant": lambda _: 1.0,
    "linear": lambda done: 1.0 - done,
    "cosine": lambda done: 0.5 * (1.0 + math.cos(math.pi * done)),
}
FeatureModel = ToyModel | AbsoluteValueModel
Model = FeatureModel | ModularAddition | InductionModels
_MODELS = {"absolute-value": AbsoluteValueModel, "modular-addition": ModularAddition}
# The second half of a stream's key; initial weights use the indices of the instances, which are never negative.
_DATA_STREAM = 2**31


class Training:
    """One experiment under way.

    Iterating trains: each item is the minibatch loss of every member, shape () or (instances,), handed out after the
    backward pass and *before* the optimizer's step, when model and loss still belong together.
    """

    def __init__(self, experiment: Experiment):
        self.experiment = experiment
        self.model = build_model(experiment)
        self.task = build_task(experiment)
        self.optimizer = _OPTIMIZERS[experiment.optimizer](
            self.model.parameters(),
            lr=experiment.lr,
            weight_decay=experiment.weight_decay,
            **self._optimizer_options(),
        )
        seed = instance_seed(experiment.seed, _DATA_STREAM)
        self.generator = torch.Generator(experiment.device).manual_seed(seed)
        # How many steps were made before this training, which goes on from there.
        self.begins_at = 0

    def __len__(self) -> int:
        return self.experiment.steps

    def __iter__(self) -> Iterator[Tensor]:
        for k in range(self.begins_at, len(self)):
            self._set_learning_rate(k)
            yield self._differentiate(self.sample())
            self.optimizer.step()

    def _differentiate(self, x: Tensor) -> Tensor:
        """Put the gradient of the loss on a minibatch into the parameters; return the loss, () or (instances,)."""
        loss = self.task.loss(self.model, x)
        self.optimizer.zero_grad()
        # The sum, so that each member's gradient is the one it would have alone.
        loss.sum().backward()
        return loss.detach()

    def _optimizer_options(self) -> dict[str, bool]:
        return {}

    def _set_learning_rate(self, k: int) -> None:
        factor = _SCHEDULES[self.experiment.schedule](k / len(self))
        for group in self.optimizer.param_groups:
            group["lr"] = self.experiment.lr * factor

    def sample(self) -> Tensor:
        """Draw one minibatch; shape ([instances,] batch, n) for features."""
        return self.task.sample(self.generator)


class Task(Protocol):
    """What a model is trained to do: data, and the loss on them."""

    def sample(self, generator: torch.Generator, /) -> Tensor:
        """Draw one minibatch."""
        ...

    def loss(self, model: Any, x: Tensor, /) -> Tensor:
        """Return the mean loss of a minibatch; shape () or (instances,)."""
        ...


class FeatureTask:
    """Sparse features, and the weighted squared error of what the model makes of them."""

    def __init__(self, experiment: Experiment):
        instances = (experiment.n_instances,) if experiment.n_instances else ()
        self.features = build_features(experiment)
        self.weights = torch.tensor(experiment.loss_weights(), device=experiment.device)
        self._shape = (*instances, experiment.batch_size)

    def sample(self, generator: torch.Generator) -> Tensor:
        """Draw one minibatch; shape ([instances,] batch, n)."""
        return self.features.sample(self._shape, generator)

    def loss(self, model: FeatureModel, x: Tensor) -> Tensor:
        """Return the mean loss of a minibatch; shape () or (instances,)."""
        return weighted_loss(model.target(x), model(x), self.weights)


_TASKS: dict[str, Callable[[Experiment], Task]] = {
    "modular-addition": AdditionTable,
    "attention-only": RepeatedSequences,
}


def weighted_loss(x: Tensor, y: Tensor, weights: Tensor) -> Tensor:
    """Return L = Σ_i w_i (x_i - y_i)², averaged over the batch; shapes (..., batch, n), (n,) or (..., n) -> (...).

    The weights are the importances I_i, divided by n where an experiment's loss is the mean over features.
    Source: Toy Models of Superposition, "Experiment Setup".
    """
    errors = (x - y).square()
    # A product with one vector is the faster one.
    weighted = errors @ weights if weights.ndim == 1 else (errors @ weights[..., None])[..., 0]
    return weighted.mean(-1)


def build_model(experiment: Experiment) -> Model:
    """Return the experiment's model with its first weights, on its device; SettingError where there is no such."""
    check_device(experiment.device)
    sizes = experiment.n_features, experiment.n_hidden
    if experiment.model == "attention-only":
        return InductionModels(*sizes, seed=experiment.seed).to(experiment.device)
    start = {"n_instances": experiment.n_instances, "init_std": experiment.init_std, "seed": experiment.seed}
    if experiment.model == "toy":
        model = ToyModel(*sizes, **start, nonlinearity=experiment.per_instance("nonlinearity"))
    else:
        model = _MODELS[experiment.model](*sizes, **start)
    return model.to(experiment.device)


def check_device(name: str) -> None:
    """Raise SettingError where torch cannot train on a device of that name on this machine."""
    try:
        torch.Generator(name)
    # torch says so in one of these ways, depending on whether it knows the name and was built for it.
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = re.split(r"[.\n]", str(error))[0][:100]
        raise SettingError(f"device={name!r} cannot be used here ({reason}); use cpu") from error


def build_features(experiment: Experiment) -> FeatureDistribution:
    """Return the distribution that the experiment's features come from."""
    return FeatureDistribution(
        experiment.n_features,
        experiment.per_instance("density"),
        correlation=experiment.correlation,
        sets=experiment.sets,
        signed=experiment.model == "absolute-value",
    )


def build_task(experiment: Experiment) -> Task:
    """Return what the experiment's model is trained to do."""
    return _TASKS.get(experiment.model, FeatureTask)(experiment)
