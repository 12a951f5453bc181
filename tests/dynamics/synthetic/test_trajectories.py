"""Planted trajectories hold what they say they hold."""

import numpy as np
import pytest

from dyn.dynamics.errors import SettingError
from dyn.dynamics.synthetic.trajectories import Plan, PlantedRegime, move, plant, tegum_product


@pytest.mark.parametrize("spacing", ["regular", "random", "log"])
def test_steps_increase_and_shapes_agree(spacing):
    trajectory = plant(Plan(rows=1500, features=5, spacing=spacing))
    assert trajectory.signal.shape == trajectory.clean.shape == (1500, 5)
    assert trajectory.loss.shape == trajectory.expected_loss.shape == trajectory.step.shape == (1500,)
    assert (np.diff(trajectory.step) > 0).all()


def test_the_signal_is_at_the_planted_levels_outside_the_ramps():
    trajectory = plant(Plan(noise=0), seed=1)
    assert len(trajectory.jumps) == 3
    for jump in trajectory.jumps:
        start, end = np.searchsorted(trajectory.step, [jump.start, jump.end])
        np.testing.assert_allclose(trajectory.signal[start, jump.features], jump.before, atol=1e-12)
        np.testing.assert_allclose(trajectory.signal[end, jump.features], jump.after, atol=1e-12)
        assert trajectory.expected_loss[end] - trajectory.expected_loss[start] == pytest.approx(jump.loss_change)


@pytest.mark.parametrize("correlation", [0, 0.8])
def test_the_noise_is_as_large_and_as_correlated_as_planned(correlation):
    trajectory = plant(Plan(rows=40_000, features=4, events=0, noise=0.2, correlation=correlation))
    noise = trajectory.signal - trajectory.clean
    # Without jumps it is a share of 1/2. A deviation's error is 1 / √(2 N), three times that if correlated: 1 %.
    np.testing.assert_allclose(noise.std(axis=0), 0.1, rtol=0.05)
    lagged = (noise[1:] * noise[:-1]).mean(axis=0) / noise.var(axis=0)
    # The standard error of a correlation is 1 / √N = 0.005.
    np.testing.assert_allclose(lagged, correlation, atol=0.025)


def test_events_that_do_not_fit_are_refused():
    with pytest.raises(SettingError, match="events=30"):
        plant(Plan(events=30))


def test_a_seed_tells_all():
    np.testing.assert_array_equal(plant(Plan(), seed=3).signal, plant(Plan(), seed=3).signal)
    assert (plant(Plan(), seed=3).signal != plant(Plan(), seed=4).signal).any()


def test_planted_motions_turn_grow_and_reflect():
    W = np.random.default_rng(0).normal(size=(3, 4))
    path = move(
        W, [PlantedRegime(10, angle=90), PlantedRegime(5, scale=2.0), PlantedRegime(4, reflected=True, plane=(2, 0))]
    )
    assert path.shape == (20, 3, 4)
    np.testing.assert_array_equal(path[0], W)
    # A quarter turn takes the first axis to the second, half of it halfway.
    np.testing.assert_allclose(path[10], [-W[1], W[0], W[2]], atol=1e-12)
    np.testing.assert_allclose(path[5][0], (W[0] - W[1]) / np.sqrt(2), atol=1e-12)
    np.testing.assert_allclose(path[15], 2 * path[10], atol=1e-12)
    np.testing.assert_allclose(path[19], path[15] * np.array([[1], [1], [-1]]), atol=1e-12)


def test_a_tegum_product_is_its_polytopes_in_orthogonal_spaces_of_one_length():
    W, planted = tegum_product(["triangle", "digon", "dedicated"], 5)
    # Two dimensions for the triangle, one each for the others, and two that are empty.
    assert W.shape == (4 + 2, 6)
    lengths = np.linalg.norm(W, axis=0)
    # A few roundings of double precision.
    np.testing.assert_allclose(lengths, lengths[0], rtol=1e-12)
    cosines = W.T @ W / lengths[0] ** 2
    own = {"triangle": -1 / 2, "digon": -1.0, "dedicated": 0.0}
    expected = np.eye(6)
    for name, features in planted:
        expected[np.ix_(features, features)] += own[name] * (1 - np.eye(len(features)))
    np.testing.assert_allclose(cosines, expected, atol=1e-12)


def test_the_noise_of_a_tegum_product_is_in_lengths_of_a_feature():
    quiet, _ = tegum_product(["dedicated"] * 200, 6, extra=0)
    noisy, _ = tegum_product(["dedicated"] * 200, 6, extra=0, noise=0.1)
    # The standard error of a deviation of 40 000 numbers is 0.4 %.
    assert (noisy - quiet).std() / np.linalg.norm(quiet[:, 0]) == pytest.approx(0.1, rel=0.02)
