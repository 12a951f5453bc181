"""Groups among other features: planted ones are found, and random ones are as rare as the level says."""

import math
from itertools import combinations

import numpy as np
import pytest

from dyn.dynamics.chance.search import SOUGHT, search, sought
from dyn.dynamics.polytopes.shapes import vertices


def planted(name: str, m: int, n: int, noise: float, seed: int) -> tuple[np.ndarray, set[int]]:
    rng = np.random.default_rng(seed)
    W, shape = rng.normal(size=(m, n)), vertices(name)
    frame = np.linalg.qr(rng.normal(size=(m, len(shape))))[0]
    features = rng.choice(n, shape.shape[1], replace=False)
    W[:, features] = frame @ shape + noise * rng.normal(size=(m, shape.shape[1]))
    return W / np.linalg.norm(W, axis=0), set(features.tolist())


@pytest.mark.parametrize(
    ("name", "m", "n", "noise"),
    [
        ("digon", 8, 30, 0.03),
        ("digon", 64, 60, 0.05),
        ("triangle", 8, 30, 0.03),
        ("triangle", 32, 60, 0.05),
        ("tetrahedron", 8, 30, 0.02),
        ("tetrahedron", 64, 60, 0.05),
        ("pentagon", 8, 30, 0.06),
        ("pentagon", 128, 60, 0.06),
    ],
)
def test_a_planted_group_is_found_among_random_features(name, m, n, noise):
    for seed in range(20):
        unit, features = planted(name, m, n, noise, seed)
        found = search(unit.T @ unit, m, {each: math.log(0.002) for each in SOUGHT})
        assert any(set(each.features) == features and each.name == name for each in found)


def test_every_group_is_tried():
    """What is found at a generous level is what going through all groups finds."""
    rng = np.random.default_rng(3)
    unit = rng.normal(size=(4, 14))
    unit /= np.linalg.norm(unit, axis=0)
    cosines, pattern = unit.T @ unit, sought("triangle")
    chances = {group: pattern.log_chance(pattern.error(cosines, group), 4, 14) for group in combinations(range(14), 3)}
    best = min(chances, key=lambda group: chances[group])
    (first, *_) = search(cosines, 4, {"triangle": chances[best] + 1e-6})
    assert (first.features, first.log_chance) == (best, pytest.approx(chances[best]))
    assert search(cosines, 4, {"triangle": chances[best] - 1e-6}) == []


@pytest.mark.parametrize("name", SOUGHT)
def test_random_features_form_a_group_as_rarely_as_the_level_says(name):
    rng, level, draws = np.random.default_rng(4), 0.1, 400
    found = 0
    for _ in range(draws):
        unit = rng.normal(size=(5, 16))
        unit /= np.linalg.norm(unit, axis=0)
        found += bool(search(unit.T @ unit, 5, {name: math.log(level)}))
    # Bonferroni's bound is nearly reached: groups are nearly independent.
    assert 0.04 <= found / draws <= level + 3 * math.sqrt(level / draws)


def test_no_feature_is_in_two_groups():
    unit = np.concatenate([np.eye(6)[:, :1], -np.eye(6)[:, :1], np.eye(6)[:, :1]], axis=1)
    found = search(unit.T @ unit, 6, {"digon": math.log(0.01), "merged": math.log(0.01)})
    assert len(found) == 1
