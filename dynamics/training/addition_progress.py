"""What is known of a network that adds modulo p once its key frequencies are: how far it had come at every row."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from ..errors import SettingError
from ..experiments.experiment import Experiment
from ..phenomena.progress_measures import excluded_logits, restricted_logits
from ..phenomena.waves import key_frequencies, wave_power
from .modular_addition import AdditionTable, ModularAddition


class AdditionProgress:
    """The progress measures of recorded parameters, by the key frequencies of the last embedding E, (m, p).

    embedding_power is the power of E at each frequency; restricted_loss is the loss on the test pairs of what the key
    frequencies alone answer, excluded_loss that on the pairs that are trained on without them. The last one rises, and
    the one before falls, while the test loss does not move yet.

    Raises SettingError for an ensemble, each of whose members has frequencies of its own; ValueError for an even
    modulus. Source: Nanda et al. 2023, arXiv 2301.05217.
    """

    measures = ("embedding_power", "restricted_loss", "excluded_loss")

    def __init__(self, experiment: Experiment, last: np.ndarray):
        if experiment.n_instances:
            raise SettingError(
                f"n_instances={experiment.n_instances}: take the members one by one, experiment.member(k)"
            )
        self.frequencies = key_frequencies(last)
        self._table = AdditionTable(experiment.with_settings(device="cpu"))
        numbers = torch.arange(self._table.modulus)
        self._all = torch.cartesian_prod(numbers, numbers).mT

    def __call__(self, parameters: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return each measure of each row; E (T, m, p) -> (T,) or (T, (p - 1)/2), float64."""
        rows = zip(*(torch.from_numpy(parameters[name]) for name in ("E", "V", "U")), strict=True)
        losses = [self._losses(*row) for row in rows]
        restricted, excluded = np.array(losses).reshape(-1, 2).T
        return {
            "embedding_power": wave_power(parameters["E"]),
            "restricted_loss": restricted,
            "excluded_loss": excluded,
        }

    def _losses(self, *weights: Tensor) -> tuple[float, float]:
        p, trained_on = self._table.modulus, self._table.trained_on
        with torch.inference_mode():
            logits = ModularAddition.output(self._all, *weights).reshape(p, p, p).double().numpy()
        pairs = self._table.pairs
        train, test = pairs[:, :trained_on], pairs[:, trained_on:]
        return (
            self._loss(restricted_logits(logits, self.frequencies), test),
            self._loss(excluded_logits(logits, self.frequencies), train),
        )

    def _loss(self, logits: np.ndarray, pairs: Tensor) -> float:
        """Return the mean loss on some pairs, of logits over the table (p, p, p), with the sum first."""
        a, b = pairs
        return self._table.losses(torch.from_numpy(logits)[:, a, b], pairs).mean().item()
