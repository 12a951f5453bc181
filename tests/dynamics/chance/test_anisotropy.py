"""How directions crowd is told by the others; crowds at random form nothing, and what is planted in one is found."""

import numpy as np
import pytest

from dyn.dynamics.chance import judge
from dyn.dynamics.chance.anisotropy import Surroundings, even_errors, shares_at
from dyn.dynamics.chance.search import sought
from dyn.dynamics.polytopes.shapes import vertices
from dyn.dynamics.synthetic.trajectories import tegum_product


def unit(W: np.ndarray) -> np.ndarray:
    return W / np.linalg.norm(W, axis=0)


def crowd(m: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """As in the first layer of a perceptron: an effective rank of half its size."""
    return rng.normal(size=(m, n)) * np.exp(-np.arange(m) / (m / 4))[:, None]


def test_how_others_crowd_is_the_sum_over_their_pairs():
    rng = np.random.default_rng(0)
    m, n, grouped = 12, 20, [0, 1, 2]
    U = unit(crowd(m, n, rng))
    features = np.array([3, 4, 7])
    cosines = U.T @ U
    made = np.linalg.inv(np.linalg.cholesky(cosines[np.ix_(features, features)]))
    found = Surroundings(cosines, m, [grouped]).crowding(features[None], made[None, :1], made[None, 1])
    # The same by projecting the others on what is left.
    directions = U[:, features] @ made[:2].T
    others = np.setdiff1d(np.arange(n), features)
    left = U[:, others] - directions @ (directions.T @ U[:, others])
    inner = left.T @ left
    tells = ~np.eye(len(others), dtype=bool)
    tells[np.ix_(grouped, grouped)] = False
    alike = (inner**2)[tells].sum() / np.outer(np.diag(inner), np.diag(inner))[tells].sum()
    # All pairs but those in a group tell how surely they crowd, by standard deviations from evenly spread ones.
    known = ~np.eye(n, dtype=bool)
    for group in (grouped, features):
        known[np.ix_(group, group)] = False
    away = ((cosines**2)[known].mean() - 1 / m) / (2 * (m - 1) / (m * m * (m + 2)) / (known.sum() / 2)) ** 0.5
    surely = 1 - (2 / away) ** 2
    assert surely > 0
    assert found.nu[0] == pytest.approx(1 / (0.1 + surely * (alike - 0.1)))
    along, pooled = (U[:, others].T @ directions[:, 1]) ** 2, 1 / (found.nu[0] + 1)
    r = along.sum() / (1 - (U[:, others].T @ directions[:, 0]) ** 2).sum()
    r = pooled + surely * (max(r, pooled) * (1 + (2 / len(others)) ** 0.5) - pooled)
    assert found.kappa[0] == pytest.approx(r / (1 - r) * found.nu[0])


def test_directions_at_random_are_hardly_ever_said_to_crowd():
    rng = np.random.default_rng(6)
    crowds = 0
    for _ in range(200):
        U = unit(rng.normal(size=(16, 24)))
        cosines = U.T @ U
        made = np.zeros((1, 2))
        made[0, 0] = 1
        found = Surroundings(cosines, 16).crowding(np.array([[0, 1]]), made[None, :0], made)
        crowds += not np.allclose([found.nu[0], found.kappa[0]], [15, 1])
    # Two standard deviations; a sum of squares lies beyond that a little more often than a normal number, 2.3 %.
    assert crowds <= 14


def test_what_fills_its_space_evenly_crowds_nowhere():
    W, _ = tegum_product(["digon"] * 5, np.random.default_rng(1), noise=0, extra=0)
    pattern, groups = sought("digon"), np.array([[0, 1]])
    cosines = unit(W).T @ unit(W)
    partner = int(np.argmin(cosines[0]))
    groups[0, 1] = partner
    assert even_errors(pattern, groups, Surroundings(cosines, 5)) == pytest.approx(0, abs=1e-9)
    assert shares_at(unit(W), -10) is None


def test_random_directions_keep_their_errors_and_crowding_makes_them_larger():
    rng = np.random.default_rng(2)
    pattern = sought("triangle")
    groups = rng.permuted(np.tile(np.arange(40), (200, 1)), axis=1)[:, :3]
    ratios = []
    for W in (rng.normal(size=(48, 40)), crowd(48, 40, rng)):
        cosines = unit(W).T @ unit(W)
        errors = np.array([pattern.error(cosines, group) for group in groups.tolist()])
        near = errors.argsort()[:10]
        ratios.append(np.median(even_errors(pattern, groups[near], Surroundings(cosines, 48)) / errors[near]))
    assert ratios[0] == pytest.approx(1, abs=0.1)
    # In a crowd cosines far from 0 are common, so that what is near a triangle there would be far from it elsewhere.
    assert ratios[1] > 1.5


@pytest.mark.parametrize("shape", [(32, 32), (48, 32), (24, 40)])
def test_a_crowd_at_random_has_no_shape_and_no_level(shape):
    named = 0
    for seed in range(4):
        rng = np.random.default_rng(seed)
        W = crowd(*shape, rng) * rng.lognormal(0, 0.3, size=shape[1])
        verdict = judge(W)
        assert not verdict.is_random
        named += bool(verdict.shaped) or bool(verdict.is_beyond.any())
    assert named <= 1


def test_of_few_features_a_few_strong_directions_make_no_name():
    """So few tell little of how they crowd: what the group itself shares with them has to tell too."""
    rng, scale = np.random.default_rng(7), np.where(np.arange(16) < 3, 4.0, 1.0)
    named = sum(bool(judge(rng.normal(size=(16, 12)) * scale[:, None]).shaped) for _ in range(300))
    assert named <= 6


@pytest.mark.parametrize("name", ["digon", "triangle", "tetrahedron", "pentagon"])
def test_what_is_planted_in_a_crowd_is_found(name):
    rng = np.random.default_rng(3)
    W, shape = crowd(48, 64, rng), vertices(name)
    frame = np.linalg.qr(rng.normal(size=(48, len(shape))))[0]
    features = np.arange(5, 5 + shape.shape[1])
    W[:, features] = 2 * (frame @ shape + 0.01 * rng.normal(size=(48, shape.shape[1])))
    assert [(part.name, part.features) for part in judge(W).shaped] == [(name, tuple(features.tolist()))]


def test_the_shares_are_those_of_directions_drawn_with_the_covariance():
    rng = np.random.default_rng(4)
    scale = np.exp(-np.arange(16) / 4)
    drawn = unit(rng.normal(size=(16, 4000)) * scale[:, None])
    least, most = shares_at(drawn, np.log(1e-3))
    covariance = drawn @ drawn.T / drawn.shape[1]
    shares = np.einsum("an,ab,bn->n", drawn, covariance, drawn)
    # Chernoff's bound is the safe side of the thousandth.
    assert 0.5 * np.quantile(shares, 1e-3) < least <= np.quantile(shares, 2e-3)
    assert np.quantile(shares, 0.998) <= most < 2 * np.quantile(shares, 0.999)
