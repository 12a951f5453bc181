"""The acceptance criteria: the experiments of the catalogue find what the paper found.

Each is trained once, as an ensemble; where the paper speaks of what happens as a rule, from other seeds than the
catalogue's.
"""

from itertools import combinations
from typing import NamedTuple

import numpy as np
import pytest
import torch

from dyn.dynamics.evaluation import PopulationLoss
from dyn.dynamics.experiments import EXPERIMENTS, Experiment
from dyn.dynamics.geometry import dimensionality, norms
from dyn.dynamics.training import Training


class Outcome(NamedTuple):
    """What a training left: W (instances, m, n), b (instances, n), and the population loss (rows, instances)."""

    W: np.ndarray
    b: np.ndarray
    loss: np.ndarray


def train(experiment: Experiment, *, every: int | None = None) -> Outcome:
    """Train to the end; evaluate the loss *every* so many steps."""
    training = Training(experiment)
    model = training.model
    rows = []
    for k, _ in enumerate(training):
        if every and k % every == 0:
            rows.append((model.W.detach().numpy().copy(), model.b.detach().numpy().copy()))
    W, b = zip(*rows, strict=True) if rows else ((), ())
    loss = PopulationLoss(experiment)({"W": np.stack(W), "b": np.stack(b)}) if rows else np.empty(0)
    return Outcome(model.W.detach().numpy(), model.b.detach().numpy(), loss)


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    # Steps this short gain little from a second thread, lose much where it has to wait, and round otherwise.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def geometry() -> Outcome:
    return train(EXPERIMENTS["geometry"].with_settings(n_instances=20, seed=1), every=50)


@pytest.fixture(scope="module")
def demonstration() -> Outcome:
    # By then what is learned has been learned at every density; the rest of the steps only polish it.
    return train(EXPERIMENTS["demonstration"].with_settings(steps=7_000))


def is_octahedron(W: np.ndarray) -> bool:
    """Three antipodal pairs at right angles to each other, each of one feature from either set of three."""
    direction = W / np.linalg.norm(W, axis=0)
    cosines = {pair: direction[:, pair[0]] @ direction[:, pair[1]] for pair in combinations(range(6), 2)}
    pairs = [pair for pair, cosine in cosines.items() if cosine <= -0.95]
    others = [abs(cosine) for pair, cosine in cosines.items() if pair not in pairs]
    return len(pairs) == 3 and max(others) <= 0.1 and all(i < 3 <= j for i, j in pairs)


def test_represented_features_end_as_digons():
    W = train(EXPERIMENTS["energy-levels"].with_settings(n_instances=10, seed=1)).W
    D = dimensionality(W)
    at_half = [bool((abs(each[each > 0.1] - 1 / 2) <= 0.02).all()) for each in D]
    assert sum(at_half) >= 8
    # Five digons are ten features: no more than two can share a dimension so.
    assert np.median((D > 0.1).sum(axis=1)) == 10


def test_two_sets_of_three_end_as_an_octahedron(geometry):
    assert sum(is_octahedron(W) for W in geometry.W) >= 19


def test_the_octahedron_is_reached_over_a_plateau(geometry):
    # 300 steps or more within 0.0005 of the loss of the two merged triples, and then far below it.
    steps_on_plateau = 50 * (abs(geometry.loss - 0.0028) < 0.0005).sum(axis=0)
    assert (steps_on_plateau >= 300).sum() >= 19
    assert (geometry.loss[-1] < 0.0008).sum() >= 19


@pytest.mark.parametrize("member", [0, 1], ids=["linear", "dense"])
def test_without_superposition_the_most_important_features_are_learned(demonstration, member):
    D = dimensionality(demonstration.W[member])
    assert (D[:5] > 0.95).all()
    assert (D[5:] < 0.05).all()


def test_an_ignored_feature_is_answered_by_its_mean(demonstration):
    np.testing.assert_allclose(demonstration.b[1, 5:], 0.5, atol=0.05)


def test_sparsity_brings_superposition(demonstration):
    learned = (norms(demonstration.W[1:]) > 0.5).sum(axis=1)
    np.testing.assert_allclose(learned, [5, 7, 9, 10, 12, 11, 14], atol=2)
