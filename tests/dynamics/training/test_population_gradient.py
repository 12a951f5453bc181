"""The gradient of the population loss, against the loss itself."""

import numpy as np
import pytest

from dyn.dynamics.experiments import EXPERIMENTS, Experiment
from dyn.dynamics.training.evaluation import PopulationLoss
from dyn.dynamics.training.population_gradient import PopulationGradient

RNG = np.random.default_rng(1)


def experiment(**settings) -> Experiment:
    entry = Experiment(name="x", title="", source="", n_features=6, n_hidden=3, density=0.3, evaluation_size=512)
    return entry.with_settings(**settings)


def rows(population: PopulationLoss, count: int = 2) -> dict[str, np.ndarray]:
    shapes = {name: value.shape for name, value in population.model.named_parameters()}
    return {name: RNG.normal(scale=0.4, size=(count, *shape)).astype(np.float32) for name, shape in shapes.items()}


@pytest.mark.parametrize(
    "settings",
    [
        {"importance": "0.8^i"},
        {"nonlinearity": "linear"},
        {"n_features": 40, "reduction": "mean"},
        {"correlation": "anticorrelated", "sets": 1},
        {"model": "absolute-value"},
    ],
)
def test_a_step_along_the_gradient_is_a_change_of_the_loss(settings):
    population = PopulationLoss(experiment(**settings))
    at = rows(population)
    found = PopulationGradient(population)(at)
    # Small beside the parameters, and large beside the rounding of a loss in single precision.
    h = 2e-3
    for name in at:
        direction = np.sign(found[name]).astype(np.float32)
        ahead, behind = (population({**at, name: at[name] + np.float32(sign * h) * direction}) for sign in (1, -1))
        slope = (found[name] * direction).reshape(2, -1).sum(1)
        np.testing.assert_allclose((ahead - behind) / (2 * h), slope, rtol=0.02)


def test_a_member_has_the_loss_and_the_samples_that_it_has_among_all():
    entry = experiment(density=(0.3, 0.1), repeat=2)
    together = PopulationLoss(entry)
    at = rows(together)
    losses = together(at)
    for k in range(4):
        alone = PopulationLoss(entry, member=k)
        own = {name: values[:, k] for name, values in at.items()}
        np.testing.assert_allclose(alone(own), losses[:, k], rtol=1e-5)
        assert PopulationGradient(alone)(own)["W"].shape == (2, 3, 6)


def test_members_may_differ_in_what_they_are():
    entry = experiment(nonlinearity=("linear", "relu"))
    at = rows(PopulationLoss(entry))
    losses = PopulationLoss(entry)(at)
    alone = [PopulationLoss(entry, member=k)({name: v[:, k] for name, v in at.items()}) for k in (0, 1)]
    np.testing.assert_allclose(np.stack(alone, axis=1), losses, rtol=1e-5)


def test_an_ensemble_has_no_one_gradient():
    with pytest.raises(ValueError, match="member=k"):
        PopulationGradient(PopulationLoss(experiment(n_instances=2)))


def test_what_outputs_lose_adds_up_to_the_loss():
    population = PopulationLoss(EXPERIMENTS["energy-levels"])
    at = rows(population, 1)
    lost = population.of_outputs({name: values[0] for name, values in at.items()})
    assert lost.sum() == pytest.approx(population(at)[0], rel=1e-4)


def test_interference_is_what_outputs_lose_while_their_features_are_off():
    # A feature that is told exactly, b = 0 and nothing beside it, costs nothing either way; one with a bias of 1/2
    # and no weights loses 1/4 whenever it is off, and (x - 1/2)² in the mean, 1/12, while it is on.
    population = PopulationLoss(experiment(n_features=2, n_hidden=2, density=0.25, evaluation_size=20_000))
    lost = population.of_outputs({"W": np.diag([1.0, 0.0]), "b": np.array([0.0, 0.5])})
    np.testing.assert_allclose(lost, [[0, 0.25 / 12], [0, 0.75 / 4]], rtol=0.02, atol=1e-6)
