"""The population loss of recorded parameters, estimated on one fixed large batch."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from .experiments import Experiment
from .models import instance_seed
from .training import build_features, build_model, weighted_loss

_EVALUATION_STREAM = 2**31 + 1


class PopulationLoss:
    """The expected loss E[L](W, b) of an experiment, the same samples for every row.

    E[L] = P(x = 0) L(0) + P(x ≠ 0) E[L | x ≠ 0]: the silent input, nearly all of the data when features are sparse,
    is exact, and only the rest is sampled. The samples being fixed, differences between rows carry far less noise
    than their values.

    Source: Toy Models of Superposition, "Superposition as a Phase Change", the expansion of L in L_k.
    """

    def __init__(self, experiment: Experiment):
        self.size = experiment.evaluation_size
        self.seed = instance_seed(experiment.seed, _EVALUATION_STREAM)
        self._output = build_model(experiment.with_settings(device="cpu")).output
        self._weights = torch.tensor(experiment.loss_weights())
        features = build_features(experiment)
        self._silence = features.probability_of_silence().float()
        instances = (experiment.n_instances,) if experiment.n_instances else ()
        self._x = features.sample_active((*instances, self.size), torch.Generator().manual_seed(self.seed))
        self._zero = torch.zeros(*instances, 1, experiment.n_features)

    @property
    def description(self) -> str:
        """How the loss is estimated, for the recording's own record."""
        return f"one fixed batch of {self.size} active samples (seed {self.seed}), the zero input exact"

    def __call__(self, parameters: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the loss of each row of *parameters*; W (T, [instances,] m, n) -> (T, [instances]), float64."""
        rows = zip(torch.from_numpy(parameters["W"]), torch.from_numpy(parameters["b"]), strict=True)
        with torch.inference_mode():
            return torch.stack([self._loss(W, b) for W, b in rows]).double().numpy()

    def _loss(self, W: Tensor, b: Tensor) -> Tensor:
        silent = weighted_loss(self._zero, self._output(self._zero, W, b), self._weights)
        active = weighted_loss(self._x, self._output(self._x, W, b), self._weights)
        return self._silence * silent + (1 - self._silence) * active
