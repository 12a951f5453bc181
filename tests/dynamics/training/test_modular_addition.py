"""Modular addition: the table of sums, the network, and what is evaluated."""

import numpy as np
import pytest
import torch

from dyn.dynamics.experiments import Experiment
from dyn.dynamics.training.modular_addition import AdditionEvaluation, AdditionTable, ModularAddition

P = 5


def experiment(**changes) -> Experiment:
    entry = Experiment(
        name="x", title="", source="", model="modular-addition", n_features=P, n_hidden=3, batch_size=10, steps=5
    )
    return entry.with_settings(**changes)


def fourier(modulus: int) -> tuple[np.ndarray, np.ndarray]:
    """E and U of a network that can add: (E_a + E_b)² of cos and sin waves holds cos ω(a + b), up to what is even."""
    numbers = np.arange(modulus)
    frequencies = np.arange(1, modulus)[:, None] * 2 * np.pi / modulus
    phases = np.arange(4) * np.pi / 2
    angle = np.concatenate([frequencies * numbers + phase / 2 for phase in phases])
    # (cos(ωa + φ/2) + cos(ωb + φ/2))² read out with cos(ωc + φ): the sum over φ leaves cos ω(a + b - c).
    read = np.concatenate([frequencies * numbers + phase for phase in phases])
    return np.cos(angle).astype(np.float32), 9 * np.cos(read).T.astype(np.float32)


def test_pairs_are_all_pairs_in_an_order_of_each_member():
    pairs = AdditionTable(experiment(n_instances=2)).pairs
    assert pairs.shape == (2, 2, P**2)
    for member in pairs:
        assert {tuple(pair) for pair in member.T.tolist()} == {(a, b) for a in range(P) for b in range(P)}
    assert not torch.equal(pairs[0], pairs[1])
    assert torch.equal(AdditionTable(experiment()).pairs, pairs[0])


def test_the_training_sees_the_first_pairs_only():
    table = AdditionTable(experiment())
    assert torch.equal(table.sample(torch.Generator()), table.pairs[:, :10])


@pytest.mark.parametrize("n_instances", [None, 2])
def test_the_output_is_the_formula(n_instances):
    model = ModularAddition(P, 3, n_instances=n_instances)
    pairs = AdditionTable(experiment(n_instances=n_instances)).pairs
    logits = model(pairs).detach().double().numpy()
    E, U = (p.detach().double().numpy().reshape(-1, *p.shape[-2:]) for p in (model.E, model.U))
    for member, (each, table) in enumerate(zip(logits.reshape(-1, P, P**2), pairs.reshape(-1, 2, P**2), strict=True)):
        a, b = table.numpy()
        # Single precision on numbers of order one.
        np.testing.assert_allclose(each, U[member] @ (E[member][:, a] + E[member][:, b]) ** 2, atol=1e-5)


def test_knowing_nothing_costs_the_logarithm_of_p():
    zero = {"E": np.zeros((1, 3, P), np.float32), "U": np.zeros((1, P, 3), np.float32)}
    found = AdditionEvaluation(experiment())(zero)
    assert found["expected_loss"] == pytest.approx(np.log(P))
    assert found["test_loss"] == pytest.approx(np.log(P))


def test_a_network_that_adds_is_right_everywhere():
    E, U = fourier(P)
    found = AdditionEvaluation(experiment())({"E": E[None], "U": U[None]})
    assert found["test_accuracy"] == 1
    assert found["expected_loss"] < 1e-3


def test_the_whole_is_the_mean_of_what_is_trained_on_and_the_test():
    table, model = AdditionTable(experiment()), ModularAddition(P, 3)
    rows = {name: p.detach().numpy()[None] for name, p in model.named_parameters()}
    found = AdditionEvaluation(experiment())(rows)
    trained = float(table.loss(model, table.pairs[:, :10]).detach())
    assert found["expected_loss"][0] == pytest.approx((10 * trained + 15 * found["test_loss"][0]) / 25, rel=1e-5)


def test_members_are_evaluated_on_their_own_pairs():
    model = ModularAddition(P, 3, n_instances=2)
    rows = {name: p.detach().numpy()[None] for name, p in model.named_parameters()}
    both = AdditionEvaluation(experiment(n_instances=2))(rows)
    alone = AdditionEvaluation(experiment())({name: values[:, 0] for name, values in rows.items()})
    for name in AdditionEvaluation.measures:
        assert both[name].shape == (1, 2)
        assert both[name][0, 0] == pytest.approx(alone[name][0], rel=1e-5)
