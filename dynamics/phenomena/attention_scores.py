"""What the heads of a transformer attend to on sequences that repeat: the token before, or the one after its like."""

import numpy as np


def previous_token_scores(patterns: np.ndarray) -> np.ndarray:
    """Return how much each head attends to the token before, the mean of A[t, t-1] over t ≥ 1 and the batch.

    Shapes: patterns A (batch, layers, heads, t, t), row t that of a query -> (layers, heads). Source: Olsson et al.
    2022, "In-context Learning and Induction Heads", arXiv 2209.11895.
    """
    return np.diagonal(np.asarray(patterns, dtype=float), -1, -2, -1).mean((0, -1))


def prefix_matching_scores(patterns: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return how much each head attends to the token that followed the last time, the mean of A[t, t+1-n] over t ≥ n.

    n is how long what a sequence repeats is. An induction head has 1, a head that attends to all before evenly 1/t.

    Shapes: patterns (batch, layers, heads, t, t), lengths (batch,) -> (layers, heads). Raises ValueError where nothing
    is repeated. Source: Olsson et al. 2022, "In-context Learning and Induction Heads", arXiv 2209.11895.
    """
    patterns, lengths = np.asarray(patterns, dtype=float), np.asarray(lengths).reshape(-1)
    size = patterns.shape[-1]
    if not (lengths < size).all():
        raise ValueError(f"lengths go up to {lengths.max()} in sequences of {size} tokens, which so repeat nothing")
    per_sequence = [
        np.diagonal(pattern, 1 - int(n), -2, -1)[..., 1:] for pattern, n in zip(patterns, lengths, strict=True)
    ]
    total = sum(each.sum(-1) for each in per_sequence)
    return np.asarray(total / sum(each.shape[-1] for each in per_sequence))


def loss_by_repetition(losses: np.ndarray, lengths: np.ndarray) -> tuple[float, float]:
    """Return the mean loss of tokens that are new, and of those that are foreseeable: that follow one seen before.

    losses[:, t] is that of token t + 1. It is new where t + 1 < n, and foreseeable where t ≥ n; token n itself, the
    first of the repetition, is neither.

    Shapes: losses (batch, t - 1), lengths (batch,).
    """
    at, n = np.arange(losses.shape[1]), np.asarray(lengths).reshape(-1, 1)
    return float(losses[at + 1 < n].mean()), float(losses[at >= n].mean())


def in_context_score(losses: np.ndarray, tokens: int = 8) -> float:
    """Return the mean loss of the last tokens less that of the first ones, below 0 where the context is made use of.

    Shapes: losses (batch, t - 1). Source: Olsson et al. 2022, arXiv 2209.11895, where it is that of the 500th token
    less that of the 50th.
    """
    return float(losses[:, -tokens:].mean() - losses[:, :tokens].mean())
