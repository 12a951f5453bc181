"""Attacks whose effect is known."""

import numpy as np
import pytest

from dyn.dynamics.phenomena.adversarial import adversarial_increase

GENERATOR = np.random.default_rng(0)


def test_without_superposition_an_attack_costs_its_length_squared():
    # y = x + shift wherever x > 0: each attack is a unit vector, and raises one output by ε.
    x = GENERATOR.random((50, 4)) + 0.1
    found = adversarial_increase(np.eye(4), np.zeros(4), x)
    epsilon = 0.1 * np.linalg.norm(x, axis=1).mean()
    assert found.loss == pytest.approx(0)
    assert found.attacked == pytest.approx(epsilon**2)
    assert found.squared_length == pytest.approx(epsilon**2)
    assert found.vulnerability == pytest.approx(1)


def test_features_that_share_a_direction_fall_together():
    # k features in one direction: the attack (1, …, 1) ε/√k moves the hidden layer by √k ε and each output as much.
    k = 5
    x = np.eye(k)
    found = adversarial_increase(np.ones((1, k)), np.zeros(k), x)
    # y = 1 at each output, 1 + √k ε under attack, ε = 0.1; the right one is off by √k ε, the others by 1 + √k ε.
    shift = 0.1 * np.sqrt(k)
    assert found.loss == pytest.approx(k - 1)
    assert found.attacked == pytest.approx((k - 1) * (1 + shift) ** 2 + shift**2)


def test_each_sample_suffers_its_worst_attack_in_a_search():
    W, b = GENERATOR.normal(size=(2, 5)), GENERATOR.normal(size=5) * 0.1
    x = GENERATOR.random((20, 5)) * (GENERATOR.random((20, 5)) < 0.5)
    weights = np.array([1.0, 2.0, 3.0, 0.5, 0.0])
    G = W.T @ W
    epsilon = 0.2 * np.linalg.norm(x, axis=1).mean()
    worst = np.zeros(20)
    for k, sample in enumerate(x):
        for row in G:
            y = np.maximum(G @ (sample + epsilon * row / np.linalg.norm(row)) + b, 0)
            worst[k] = max(worst[k], weights @ (sample - y) ** 2)
    found = adversarial_increase(W, b, x, importance=weights, budget=0.2)
    assert found.attacked == pytest.approx(worst.mean())


def test_an_ensemble_is_attacked_member_by_member():
    W, b, x = GENERATOR.normal(size=(3, 2, 4)), np.zeros((3, 4)), GENERATOR.random((3, 10, 4))
    found = adversarial_increase(W, b, x)
    assert found.vulnerability.shape == (3,)
    alone = adversarial_increase(W[1], b[1], x[1])
    assert found.vulnerability[1] == pytest.approx(alone.vulnerability)


def test_unlearned_features_and_silent_data_are_no_error():
    found = adversarial_increase(np.zeros((2, 3)), np.zeros(3), np.ones((4, 3)))
    assert found.vulnerability == 0
    assert np.isnan(adversarial_increase(np.eye(3), np.zeros(3), np.zeros((4, 3))).vulnerability)


def test_sizes_have_to_agree():
    with pytest.raises(ValueError, match="same number of features"):
        adversarial_increase(np.eye(3), np.zeros(3), np.ones((4, 2)))
