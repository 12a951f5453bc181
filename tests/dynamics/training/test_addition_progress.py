"""Progress of a network that adds: by waves alone it answers, without them it cannot, and the other way round."""

import numpy as np
import pytest

from dyn.dynamics.errors import SettingError
from dyn.dynamics.experiments import Experiment
from dyn.dynamics.training.addition_progress import AdditionProgress

P, K = 11, 3
# Neurons at so many phases; the square that ReLU is seen as has no other waves up to the 16th.
PHASES = 16


def experiment(**changes) -> Experiment:
    entry = Experiment(
        name="x", title="", source="", model="modular-addition", n_features=P, n_hidden=2, batch_size=40, steps=5
    )
    return entry.with_settings(**changes)


def adding() -> dict[str, np.ndarray]:
    """The weights of a network that adds by one frequency.

    A number is a point on a circle; a + b lies in the direction of half the angle of the sum, and neurons around the
    circle, read out at twice their angle, give |E_a + E_b| cos(ω(a + b - c)) up to a factor.
    """
    angle, phase = 2 * np.pi * K * np.arange(P) / P, 2 * np.pi * np.arange(PHASES) / PHASES
    E = np.stack([np.cos(angle), np.sin(angle)])
    V = np.stack([np.cos(phase), np.sin(phase)], axis=1)
    U = 40 * np.cos(2 * phase - angle[:, None])
    return {name: values.astype(np.float32)[None] for name, values in {"E": E, "V": V, "U": U}.items()}


def test_a_network_of_one_wave_is_seen_through_it():
    weights = adding()
    progress = AdditionProgress(experiment(), weights["E"][-1])
    np.testing.assert_array_equal(progress.frequencies, [K])
    found = progress(weights)
    assert found["embedding_power"].shape == (1, 5)
    assert found["embedding_power"][0].argmax() == K - 1
    # Through its wave it answers better than by chance, and without it no better than that.
    assert found["restricted_loss"][0] < 1 < np.log(P) <= found["excluded_loss"][0] + 1e-6
    # What is left is how |E_a + E_b| differs from its mean, which has the wrong sign for about half of the pairs.
    assert 0.25 < found["excluded_accuracy"][0] < 0.75


def test_a_network_without_weights_knows_nothing_either_way():
    rows = {"E": np.zeros((2, 2, P)), "V": np.zeros((2, 4, 2)), "U": np.zeros((2, P, 4))}
    found = AdditionProgress(experiment(), adding()["E"][-1])(rows)
    for name in ("restricted_loss", "excluded_loss"):
        np.testing.assert_allclose(found[name], np.log(P))


def test_members_are_asked_one_by_one():
    with pytest.raises(SettingError, match=r"n_instances=2: take the members one by one, experiment.member\(k\)"):
        AdditionProgress(experiment(n_instances=2), adding()["E"][-1])
