"""What is known of recorded networks of attention: losses on new and repeated tokens, what heads attend to."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch

from ..experiments.experiment import Experiment
from ..phenomena.attention_scores import (
    in_context_score,
    loss_by_repetition,
    prefix_matching_scores,
    previous_token_scores,
)
from .attention import HEADS, AttentionOnly, InductionModels, evaluation_sequences, next_token_losses

# What each network is evaluated for, and how many numbers that is for each of its layers' heads, 0 for one of its own.
_MEASURES = {"loss_first": 0, "loss_repeated": 0, "in_context_score": 0, "prefix_score": 1, "previous_token_score": 1}
_LAYERS = {"": 2, "control_": 1}


class InductionEvaluation:
    """The measures of both networks at each row, those of the control under names that begin with control_.

    loss_first and loss_repeated are the losses of new and of foreseeable tokens; in_context_score is the loss of the
    last tokens less that of the first; prefix_score and previous_token_score are those of each head, (layers, heads).
    """

    measures: ClassVar[tuple[str, ...]] = tuple(network + name for network in _LAYERS for name in _MEASURES)
    numbers = sum(max(1, each * layers * HEADS) for layers in _LAYERS.values() for each in _MEASURES.values())
    description = "one fixed batch of sequences"

    def __init__(self, experiment: Experiment):
        self._tokens, lengths = evaluation_sequences(experiment)
        self._lengths = lengths.numpy()
        self._model = InductionModels(experiment.n_features, experiment.n_hidden)

    def __call__(self, parameters: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return each measure of each row, (T,) or (T, layers, heads), float64."""
        own = dict(self._model.named_parameters())
        found = []
        for row in range(len(next(iter(parameters.values())))):
            with torch.inference_mode():
                for name, parameter in own.items():
                    parameter.copy_(torch.from_numpy(parameters[name][row]))
                found.append(self._of_network("", self._model) | self._of_network("control_", self._model.control))
        return {name: np.array([row[name] for row in found]) for name in self.measures}

    def _of_network(self, prefix: str, network: AttentionOnly) -> dict[str, float | np.ndarray]:
        losses = next_token_losses(network(self._tokens), self._tokens).numpy()
        patterns = network.patterns(self._tokens).numpy()
        first, again = loss_by_repetition(losses, self._lengths)
        measures = (
            first,
            again,
            in_context_score(losses),
            prefix_matching_scores(patterns, self._lengths),
            previous_token_scores(patterns),
        )
        return {prefix + name: value for name, value in zip(_MEASURES, measures, strict=True)}
