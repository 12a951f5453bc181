"""What is evaluated of networks of attention: names, shapes, and that each network has its own."""

import numpy as np
import torch

from dyn.dynamics.experiments import EXPERIMENTS
from dyn.dynamics.training.attention import (
    HEADS,
    InductionModels,
    evaluation_sequences,
    next_token_losses,
)
from dyn.dynamics.training.induction_evaluation import InductionEvaluation

TINY = EXPERIMENTS["induction-heads"].with_settings(n_features=8, n_hidden=8, batch_size=4, steps=3)


def rows(*seeds: int) -> dict[str, np.ndarray]:
    models = [dict(InductionModels(8, 8, seed=seed).named_parameters()) for seed in seeds]
    return {name: np.stack([each[name].detach().numpy() for each in models]) for name in models[0]}


def test_numbers_are_as_many_as_said():
    found = InductionEvaluation(TINY)(rows(0, 1))
    assert set(found) == set(InductionEvaluation.measures)
    assert all(len(values) == 2 for values in found.values())
    assert sum(values[0].size for values in found.values()) == InductionEvaluation.numbers
    assert found["prefix_score"].shape == (2, 2, HEADS)
    assert found["control_previous_token_score"].shape == (2, 1, HEADS)


def test_losses_are_those_of_each_network():
    found, model = InductionEvaluation(TINY)(rows(3)), InductionModels(8, 8, seed=3)
    sequences, lengths = evaluation_sequences(TINY)
    again = torch.arange(sequences.shape[1] - 1) >= lengths
    for prefix, network in (("", model), ("control_", model.control)):
        expected = next_token_losses(network(sequences), sequences)[again].mean().item()
        np.testing.assert_allclose(found[f"{prefix}loss_repeated"], expected, rtol=1e-5)


def test_heads_that_attend_evenly_are_told_so():
    weights = rows(0)
    for name in weights:
        if name.endswith(("Q", "K")):
            weights[name][:] = 0
    found = InductionEvaluation(TINY)(weights)
    evenly = np.mean([1 / (t + 1) for t in range(1, 48)])
    np.testing.assert_allclose(found["previous_token_score"], evenly, rtol=1e-5)
