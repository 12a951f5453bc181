"""Groups whose vectors are more noise than vertex: all of few features are tried, of many the best begun."""

from itertools import combinations, permutations

import numpy as np
import pytest

from dyn.dynamics.chance import faint
from dyn.dynamics.chance.faint import followed
from dyn.dynamics.chance.search import faint as pattern_of_faint
from dyn.dynamics.polytopes.shapes import vertices


def planted(m: int, n: int, noise: float, seed: int) -> tuple[np.ndarray, set[int]]:
    rng = np.random.default_rng(seed)
    W, shape = rng.normal(size=(m, n)), vertices("pentagon")
    features = rng.choice(n, 5, replace=False)
    frame = np.linalg.qr(rng.normal(size=(m, 2)))[0]
    W[:, features] = frame @ shape + (noise / m) ** 0.5 * rng.normal(size=(m, 5))
    unit = W / np.linalg.norm(W, axis=0)
    return unit.T @ unit, set(features.tolist())


def test_every_group_of_few_features_is_tried():
    pattern, (cosines, _) = pattern_of_faint("pentagon"), planted(20, 8, 1.0, 0)
    every = [(first, *rest) for first, *others in combinations(range(8), 5) for rest in permutations(others)]
    errors = np.array([pattern.error(cosines, group) for group in every])
    most = float(np.quantile(errors, 0.1))
    expected = {group for group, error in zip(every, errors, strict=True) if error <= most}
    assert {tuple(group) for group in followed(pattern, cosines, most).tolist()} == expected


@pytest.mark.parametrize("n", [12, 40])
def test_of_vectors_more_noise_than_vertex_the_group_is_found(n):
    """In 256 dimensions, by vectors whose noise is one and a half times their vertices'."""
    pattern = pattern_of_faint("pentagon")
    found = 0
    for seed in range(10):
        cosines, features = planted(256, n, 1.5, seed)
        groups = followed(pattern, cosines, pattern.tail(256).below(np.log(1e-4) - pattern.log_count(n)))
        found += features in [set(group) for group in groups.tolist()]
    assert found >= 9


def test_of_many_the_best_begun_are_followed(monkeypatch):
    pattern, (cosines, features) = pattern_of_faint("pentagon"), planted(64, 20, 0.1, 1)
    monkeypatch.setattr(faint, "_MOST_PAIRS", 2000)
    groups = followed(pattern, cosines, 100.0)
    assert len(groups) <= 100
    assert features in [set(group) for group in groups.tolist()]
