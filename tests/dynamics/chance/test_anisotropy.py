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
    scatter = 2 * 9 / (10**2 * 12) / (tells.sum() / 2)
    assert found.nu[0] == pytest.approx(1 / (0.1 + (alike - 0.1) - scatter / (alike - 0.1)))


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
