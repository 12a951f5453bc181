"""The population loss of recorded parameters, estimated on one fixed large batch."""

from collections.abc import Mapping, Sequence
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
    fixed, differences between rows carry far less error than their values. *member* is one model of an ensemble, whose
    rows are without the axis of instances, on the samples that it has among all.

    Source: Toy Models of Superposition, "Superposition as a Phase Change", the expansion of L in L_k.
    """

    def __init__(self, experiment: Experiment, *, member: int | None = None):
        self.size = experiment.evaluation_size
        self._repeat = experiment.repeat
        self.seed = instance_seed(experiment.seed, _EVALUATION_STREAM)
        of = experiment if member is None else experiment.member(member)
        self.model = cast("FeatureModel", build_model(of.with_settings(device="cpu")))
        self.names = [name for name, _ in self.model.named_parameters()]
        self.weights = torch.tensor(of.loss_weights())
        # Each part of the samples with its probability.
        parts = [(self._of_models(share.float()), self._of_models(x)) for share, x in self._drawn(experiment)]
        is_of_many = experiment.n_instances is not None
        self.parts = parts if member is None or not is_of_many else [_of_member(member, *part) for part in parts]

    def _drawn(self, experiment: Experiment) -> list[tuple[Tensor, Tensor]]:
        # The models of one point of the grid are compared with each other: they get the same samples.
        points = experiment.with_settings(repeat=1) if experiment.repeat > 1 else experiment
        features = build_features(points)
        instances = (points.n_instances,) if points.n_instances else ()
        generator = torch.Generator().manual_seed(self.seed)
        silent, single = features.probability_of_silence(), features.probability_of_single()
        singles = max(1, round(_SINGLE_SHARE * self.size)) if features.units > 1 else self.size
        parts = [
            (silent, torch.zeros(*instances, 1, experiment.n_features)),
            (single, features.spread_single((*instances, singles), generator)),
        ]
        if features.units > 1:
            several = features.spread_several((*instances, max(1, self.size - singles)), generator)
            parts.append(((1 - silent - single).clamp(min=0), several))
        return parts

    @property
    def description(self) -> str:
        """How the loss is estimated, for the recording's own record."""
        return f"one fixed batch of {self.size} active samples, evenly spread (seed {self.seed}), the zero input exact"

    def __call__(self, parameters: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the loss of each row of *parameters*; W (T, [instances,] m, n) -> (T, [instances]), float64."""
        rows = zip(*(torch.from_numpy(parameters[name]) for name in self.names), strict=True)
        with torch.inference_mode():
            return torch.stack([self.at(row) for row in rows]).double().numpy()

    def _of_models(self, values: Tensor) -> Tensor:
        """Turn values of each point of the grid into values of each model."""
        return values.repeat_interleave(self._repeat, dim=0) if self._repeat > 1 and values.ndim else values

    def at(self, row: Sequence[Tensor]) -> Tensor:
        """Return the loss at parameters in the order of names, () or (instances,); it can be differentiated.

        It has the precision of the parameters. Those of several models of one experiment alike may have an axis of
        models before their own, (models, ...) -> (models,).
        """
        dtype = row[0].dtype
        losses = [
            share.to(dtype)
            * weighted_loss(
                self.model.target(x.to(dtype)), self.model.output(x.to(dtype), *row), self.weights.to(dtype)
            )
            for share, x in self.parts
        ]
        return torch.stack(losses).sum(0)

    def of_outputs(self, parameters: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return what each output loses at one row of one model's parameters, while its feature is on and while off.

        w_i E[(t_i - y_i)² where x_i ≠ 0] is the cost of how well feature i is told, and the rest, where x_i = 0, what
        others' interference costs; together they add up to the loss. Shapes: W (m, n) -> (2, n), float64.
        Source: Toy Models of Superposition, "Superposition as a Phase Change", feature benefit and interference.
        """
        row = [torch.from_numpy(parameters[name]).float() for name in self.names]
        losses = torch.zeros(2, len(self.weights), dtype=torch.float64)
        with torch.inference_mode():
            for share, x in self.parts:
                errors = (self.model.target(x) - self.model.output(x, *row)).square() * self.weights
                on = errors * (x != 0)
                losses += share * torch.stack([on.mean(0), (errors - on).mean(0)])
        return losses.numpy()


def _of_member(member: int, share: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    return (share[member] if share.ndim else share), x[member]


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
