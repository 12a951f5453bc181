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
    frequencies alone answer; excluded_loss is that on the pairs that are trained on, without them, and
    excluded_accuracy is how many of the test pairs are answered right without them. The restricted loss falls and the
    excluded one rises while the test loss does not move yet.

    Raises SettingError for an ensemble, each of whose members has frequencies of its own; ValueError for an even
    modulus. Source: Nanda et al. 2023, arXiv 2301.05217.
    """

    measures = ("embedding_power", "restricted_loss", "excluded_loss", "excluded_accuracy")

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
        numbers = np.array([self._numbers(*row) for row in rows]).reshape(-1, 3)
        return {"embedding_power": wave_power(parameters["E"]), **dict(zip(self.measures[1:], numbers.T, strict=True))}

    def _numbers(self, *weights: Tensor) -> tuple[float, float, float]:
        """Return restricted loss, excluded loss and excluded accuracy of one row."""
        p, trained_on, pairs = self._table.modulus, self._table.trained_on, self._table.pairs
        with torch.inference_mode():
            logits = ModularAddition.output(self._all, *weights).reshape(p, p, p).double().numpy()
        train, test = pairs[:, :trained_on], pairs[:, trained_on:]
        restricted = _of_pairs(restricted_logits(logits, self.frequencies), test)
        without = excluded_logits(logits, self.frequencies)
        right = _of_pairs(without, test).argmax(-2) == test.sum(-2) % p
        return (
            self._table.losses(restricted, test).mean().item(),
            self._table.losses(_of_pairs(without, train), train).mean().item(),
            right.double().mean().item(),
        )


def _of_pairs(logits: np.ndarray, pairs: Tensor) -> Tensor:
    """Return the logits of some pairs, (p, batch), of those over the table (p, p, p), with the sum first."""
    a, b = pairs
    return torch.from_numpy(logits)[:, a, b]
