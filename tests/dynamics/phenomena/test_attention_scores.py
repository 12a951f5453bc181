"""Scores of heads: perfect heads have 1, heads that attend evenly what that gives, and losses are told apart."""

import numpy as np
import pytest

from dyn.dynamics.phenomena.attention_scores import (
    in_context_score,
    loss_by_repetition,
    prefix_matching_scores,
    previous_token_scores,
)

SIZE, LENGTHS = 12, np.array([4, 7])


def patterns(attended) -> np.ndarray:
    """Patterns (batch, 1, 1, t, t) of a head whose query t of sequence s attends to token attended(t, n_s) alone."""
    made = np.zeros((len(LENGTHS), 1, 1, SIZE, SIZE))
    for sequence, n in enumerate(LENGTHS):
        for t in range(SIZE):
            made[sequence, 0, 0, t, max(0, attended(t, n))] = 1
    return made


def evenly() -> np.ndarray:
    each = np.tril(np.ones((SIZE, SIZE))) / np.arange(1, SIZE + 1)[:, None]
    return np.broadcast_to(each, (len(LENGTHS), 2, 3, SIZE, SIZE))


def test_a_previous_token_head_has_one_and_an_induction_head_none():
    assert previous_token_scores(patterns(lambda t, _: t - 1)) == pytest.approx(1)
    # Token 0 is the only one that both mean, for query 1 of a head that has nothing to match yet.
    assert previous_token_scores(patterns(lambda t, n: t + 1 - n)) == pytest.approx(1 / (SIZE - 1))


def test_an_induction_head_has_one_and_a_previous_token_head_none():
    assert prefix_matching_scores(patterns(lambda t, n: t + 1 - n), LENGTHS) == pytest.approx(1)
    assert prefix_matching_scores(patterns(lambda t, _: t - 1), LENGTHS) == 0
    # One to the left or right of what followed is no match.
    for off in (-1, 1):
        assert prefix_matching_scores(patterns(lambda t, n, off=off: t + 1 - n + off), LENGTHS) == 0


def test_a_head_that_attends_evenly_has_what_that_gives():
    at = [t for n in LENGTHS for t in range(n, SIZE)]
    expected = np.mean([1 / (t + 1) for t in at])
    np.testing.assert_allclose(prefix_matching_scores(evenly(), LENGTHS), np.full((2, 3), expected))
    before = np.mean([1 / (t + 1) for t in range(1, SIZE)])
    np.testing.assert_allclose(previous_token_scores(evenly()), np.full((2, 3), before))


def test_losses_of_new_and_of_foreseeable_tokens_are_told_apart():
    at = np.arange(SIZE - 1)
    new, again = at + 1 < LENGTHS[:, None], at >= LENGTHS[:, None]
    assert loss_by_repetition(np.where(new, 3.0, np.where(again, 0.5, 99.0)), LENGTHS) == (3.0, 0.5)


def test_the_context_counts_where_late_tokens_cost_less():
    losses = np.full((2, 40), 3.0)
    losses[:, -8:] = 1.0
    assert in_context_score(losses) == -2
    assert in_context_score(np.full((2, 40), 3.0)) == 0


def test_sequences_that_repeat_nothing_are_named():
    with pytest.raises(ValueError, match="lengths go up to 12 in sequences of 12 tokens"):
        prefix_matching_scores(patterns(lambda t, _: t), np.array([4, 12]))
