"""Networks of attention: causal, the same by either way, on sequences that repeat; and an induction circuit by hand."""

import pytest
import torch

from dyn.dynamics.errors import SettingError
from dyn.dynamics.experiments import EXPERIMENTS
from dyn.dynamics.training.attention import (
    CONTEXT,
    HEADS,
    LONGEST,
    SHORTEST,
    AttentionOnly,
    InductionModels,
    RepeatedSequences,
    next_token_losses,
    repeated,
)
from dyn.dynamics.training.loop import Training

TINY = EXPERIMENTS["induction-heads"].with_settings(n_features=8, n_hidden=8, batch_size=4, steps=3)


def tokens(seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 8, (3, CONTEXT), generator=torch.Generator().manual_seed(seed))


def test_the_future_counts_for_nothing():
    model, first, second = AttentionOnly(8, 16, 2), tokens(0), tokens(1)
    second[:, :20] = first[:, :20]
    # Single precision on numbers of order one.
    torch.testing.assert_close(model(first)[:, :20], model(second)[:, :20], atol=1e-5, rtol=1e-5)
    assert (model(first)[:, 20:] - model(second)[:, 20:]).abs().max() > 1e-3


def test_patterns_are_those_by_which_it_answers():
    model = AttentionOnly(8, 16, 1)
    pattern = model.patterns(tokens())[:, 0]
    torch.testing.assert_close(pattern.sum(-1), torch.ones(3, HEADS, CONTEXT))
    x, layer = model.E[tokens()] + model.P, model.layers[0]
    v = (x @ layer["V"].mT).unflatten(-1, (HEADS, -1))
    read = torch.einsum("bhts,bshd->bthd", pattern, v).flatten(2)
    torch.testing.assert_close(model(tokens()), (x + read @ layer["O"].mT) @ model.U.mT, atol=1e-5, rtol=1e-5)


def test_sequences_repeat_what_they_begin_with():
    sequences, lengths = repeated(64, 32, torch.Generator().manual_seed(0))
    assert lengths.min() >= SHORTEST
    assert lengths.max() <= LONGEST
    for sequence, n in zip(sequences.tolist(), lengths[:, 0].tolist(), strict=True):
        assert all(sequence[t] == sequence[t - n] for t in range(n, CONTEXT))


def test_knowing_nothing_costs_the_logarithm_of_the_vocabulary():
    losses = next_token_losses(torch.zeros(3, CONTEXT, 8), tokens())
    torch.testing.assert_close(losses, torch.full((3, CONTEXT - 1), 8.0).log())


def test_each_network_learns_by_its_own_loss():
    model, task = InductionModels(8, 8), RepeatedSequences(TINY)
    batch = task.sample(torch.Generator().manual_seed(0))
    loss = task.loss(model, batch)
    loss.backward()
    # What is told is the loss of the first.
    torch.testing.assert_close(loss, next_token_losses(model(batch), batch).mean())
    found = model.control.U.grad.clone()
    model.zero_grad()
    next_token_losses(model.control(batch), batch).mean().backward()
    torch.testing.assert_close(model.control.U.grad, found)
    assert model.U.grad is None


def test_it_trains():
    losses = [float(loss) for loss in Training(TINY)]
    assert len(losses) == 3


def test_its_settings_are_held_to_what_they_mean():
    with pytest.raises(SettingError, match="n_hidden=10 does not go into the 4 heads"):
        TINY.with_settings(n_hidden=10)
    with pytest.raises(SettingError, match="n_instances=2 is not for model=attention-only"):
        TINY.with_settings(n_instances=2)
