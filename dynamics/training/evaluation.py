"""The population loss of recorded parameters, estimated on one fixed large batch."""

from collections.abc import Mapping
from typing import cast

import numpy as np
import torch
from torch import Tensor

from ..experiments.experiment import Experiment
from .induction_evaluation import InductionEvaluation
from .loop import FeatureModel, build_features, build_model, weighted_loss
from .models import instance_seed
from .modular_addition import AdditionEvaluation

_EVALUATION_STREAM = 2**31 + 1


# Of the samples this share has one feature on, or one set; with more of them on, losses differ more.
_SINGLE_SHARE = 1 / 4


class PopulationLoss:
    """The expected loss E[L](W, b) of an experiment, on the same samples for every row.

    E[L] = P(x = 0) L(0) + P(one on) E[L | one on] + P(more on) E[L | more on]: the silent input, nearly all of the data
    when features are sparse, is exact, and each of the others gets samples of its own, spread evenly. The samples being
    fixed, differences between rows carry far less error than their values.

    Source: Toy Models of Superposition, "Superposition as a Phase Change", the expansion of L in L_k.
    """

    def __init__(self, experiment: Experiment):
        self.size = experiment.evaluation_size
        self._repeat = experiment.repeat
        self.seed = instance_seed(experiment.seed, _EVALUATION_STREAM)
        model = cast("FeatureModel", build_model(experiment.with_settings(device="cpu")))
        self._names = [name for name, _ in model.named_parameters()]
        self._output, self._target = model.output, model.target
        self._weights = torch.tensor(experiment.loss_weights())
        # The models of one point of the grid are compared with each other: they get the same samples.
        points = experiment.with_settings(repeat=1) if experiment.repeat > 1 else experiment
        features = build_features(points)
        instances = (points.n_instances,) if points.n_instances else ()
        generator = torch.Generator().manual_seed(self.seed)
        silent, single = features.probability_of_silence(), features.probability_of_single()
        singles = max(1, round(_SINGLE_SHARE * self.size)) if features.units > 1 else self.size
        # Each part with its probability.
        parts = [
            (silent, torch.zeros(*instances, 1, experiment.n_features)),
            (single, features.spread_single((*instances, singles), generator)),
        ]
        if features.units > 1:
            several = features.spread_several((*instances, max(1, self.size - singles)), generator)
            parts.append(((1 - silent - single).clamp(min=0), several))
        self._parts = [(self._of_models(share.float()), self._of_models(x)) for share, x in parts]

    @property
    def description(self) -> str:
        """How the loss is estimated, for the recording's own record."""
        return f"one fixed batch of {self.size} active samples, evenly spread (seed {self.seed}), the zero input exact"

    def __call__(self, parameters: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the loss of each row of *parameters*; W (T, [instances,] m, n) -> (T, [instances]), float64."""
        rows = zip(*(torch.from_numpy(parameters[name]) for name in self._names), strict=True)
        with torch.inference_mode():
            return torch.stack([self._loss(row) for row in rows]).double().numpy()

    def of_tensors(self, *parameters: Tensor) -> Tensor:
        """Return the loss of each of several models of one experiment, in their own precision, to be differentiated.

        Shapes: parameters (models, ...) in the order of the model's -> (models,).
        """
        dtype = parameters[0].dtype
        losses = [
            share.to(dtype)
            * weighted_loss(self._target(x.to(dtype)), self._output(x.to(dtype), *parameters), self._weights.to(dtype))
            for share, x in self._parts
        ]
        return torch.stack(losses).sum(0)

    def _of_models(self, values: Tensor) -> Tensor:
        """Turn values of each point of the grid into values of each model."""
        return values.repeat_interleave(self._repeat, dim=0) if self._repeat > 1 and values.ndim else values

    def _loss(self, row: tuple[Tensor, ...]) -> Tensor:
        losses = [
            share * weighted_loss(self._target(x), self._output(x, *row), self._weights) for share, x in self._parts
        ]
        return torch.stack(losses).sum(0)


class FeatureEvaluation:
    """What is known of the recorded parameters of a model of features: expected_loss, the PopulationLoss."""

    measures = ("expected_loss",)
    numbers = 1

    def __init__(self, experiment: Experiment):
        self._population = PopulationLoss(experiment)
        self.description = self._population.description

    def __call__(self, parameters: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return each measure of each row, (T, [instances])."""
        return {"expected_loss": self._population(parameters)}


Evaluation = FeatureEvaluation | AdditionEvaluation | InductionEvaluation
_EVALUATIONS: dict[str, type[Evaluation]] = {
    "modular-addition": AdditionEvaluation,
    "attention-only": InductionEvaluation,
}


def evaluation_of(experiment: Experiment) -> type[Evaluation]:
    """Return what evaluates recorded parameters of the experiment; call it with the experiment to begin."""
    return _EVALUATIONS.get(experiment.model, FeatureEvaluation)
