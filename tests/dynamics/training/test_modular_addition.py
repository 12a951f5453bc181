"""Modular addition: the table of sums, the network, and what is evaluated."""

import numpy as np
import pytest
import torch

from dyn.dynamics.experiments import Experiment
from dyn.dynamics.training.modular_addition import AdditionEvaluation, AdditionTable, ModularAddition

P = 5
PAIRS = P * (P + 1) // 2


def experiment(**changes) -> Experiment:
    entry = Experiment(
        name="x", title="", source="", model="modular-addition", n_features=P, n_hidden=3, batch_size=9, steps=5
    )
    return entry.with_settings(**changes)


def table_network(modulus: int) -> dict[str, np.ndarray]:
    """The weights of a network that can add: a neuron for each bound of the sum, read out as a bump at its residue.

    E_a = a, so that neuron j is ReLU(E_a + E_b - j) with the constant in a second dimension; second differences of
    ReLU are 1 at one sum and 0 at all others.
    """
    sums = np.arange(-1, 2 * modulus)
    E = np.stack([np.arange(modulus), np.full(modulus, 0.5)])
    V = np.stack([np.ones(len(sums)), -sums.astype(float)], axis=1)
    U = np.zeros((modulus, len(sums)))
    for total in range(2 * modulus - 1):
        # The neurons at total - 1, total and total + 1.
        U[total % modulus, total : total + 3] += 9 * np.array([1, -2, 1])
    return {name: values.astype(np.float32)[None] for name, values in {"E": E, "V": V, "U": U}.items()}


def test_pairs_are_all_pairs_in_an_order_of_each_member():
    pairs = AdditionTable(experiment(n_instances=2)).pairs
    assert pairs.shape == (2, 2, PAIRS)
    for member in pairs:
        assert {tuple(pair) for pair in member.T.tolist()} == {(a, b) for b in range(P) for a in range(b + 1)}
    assert not torch.equal(pairs[0], pairs[1])
    assert torch.equal(AdditionTable(experiment()).pairs, pairs[0])


def test_the_training_sees_the_first_pairs_only():
    table = AdditionTable(experiment())
    assert torch.equal(table.sample(torch.Generator()), table.pairs[:, :9])


@pytest.mark.parametrize("n_instances", [None, 2])
def test_the_output_is_the_formula(n_instances):
    model = ModularAddition(P, 3, n_instances=n_instances)
    pairs = AdditionTable(experiment(n_instances=n_instances)).pairs
    logits = model(pairs).detach().double().numpy()
    E, V, U = (p.detach().double().numpy().reshape(-1, *p.shape[-2:]) for p in (model.E, model.V, model.U))
    members = zip(logits.reshape(-1, P, PAIRS), pairs.reshape(-1, 2, PAIRS), strict=True)
    for member, (each, table) in enumerate(members):
        a, b = table.numpy()
        neurons = np.maximum(V[member] @ (E[member][:, a] + E[member][:, b]), 0)
        # Single precision on numbers of order one.
        np.testing.assert_allclose(each, U[member] @ neurons, atol=1e-5)


def test_knowing_nothing_costs_the_logarithm_of_p():
    zero = {"E": np.zeros((1, 3, P)), "V": np.zeros((1, 6, 3)), "U": np.zeros((1, P, 6))}
    found = AdditionEvaluation(experiment())(zero)
    assert found["expected_loss"] == pytest.approx(np.log(P))
    assert found["test_loss"] == pytest.approx(np.log(P))
    assert found["weight_norm"] == 0


def test_a_network_that_adds_is_right_everywhere():
    weights = table_network(P)
    found = AdditionEvaluation(experiment())(weights)
    assert found["test_accuracy"] == found["train_accuracy"] == 1
    # Its right logit is 9 and the others are 0.
    assert found["expected_loss"] == pytest.approx(np.log(1 + (P - 1) * np.exp(-9)), rel=1e-3)
    squares = sum((values.astype(float) ** 2).sum() for values in weights.values())
    assert found["weight_norm"] == pytest.approx(np.sqrt(squares))


def test_the_whole_is_the_mean_of_what_is_trained_on_and_the_test():
    table, model = AdditionTable(experiment()), ModularAddition(P, 3)
    rows = {name: p.detach().numpy()[None] for name, p in model.named_parameters()}
    found = AdditionEvaluation(experiment())(rows)
    trained = float(table.loss(model, table.pairs[:, :9]).detach())
    assert found["expected_loss"][0] == pytest.approx((9 * trained + 6 * found["test_loss"][0]) / 15, rel=1e-5)


def test_members_are_evaluated_on_their_own_pairs():
    model = ModularAddition(P, 3, n_instances=2)
    rows = {name: p.detach().numpy()[None] for name, p in model.named_parameters()}
    both = AdditionEvaluation(experiment(n_instances=2))(rows)
    alone = AdditionEvaluation(experiment())({name: values[:, 0] for name, values in rows.items()})
    for name in AdditionEvaluation.measures:
        assert both[name].shape == (1, 2)
        assert both[name][0, 0] == pytest.approx(alone[name][0], rel=1e-5)
