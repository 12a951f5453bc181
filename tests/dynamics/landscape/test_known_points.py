"""The nearest k-gon: planted under turns, reflections and orders of the features."""

import numpy as np
import pytest

from dyn.dynamics.landscape.known_points import nearest_kgon
from dyn.dynamics.theory.kgons import best_kgon, kgon_loss, kgon_parameters

PLANTED = [(k, n, lifted) for n in (5, 6, 8) for k in range(2, n + 1) for lifted in range(n - k + 1)]


def disguised(sides: int, n: int, lifted: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A k-gon turned, reflected and permuted, its silent features with biases anywhere below 0."""
    W, b = kgon_parameters(best_kgon(sides), n, lifted=lifted)
    b[sides + lifted :] = -rng.uniform(0.1, 0.5, n - sides - lifted)
    order = rng.permutation(n)
    return (np.linalg.qr(rng.normal(size=(2, 2))).Q @ W)[:, order], b[order]


@pytest.mark.parametrize(("sides", "n", "lifted"), PLANTED)
def test_planted_polygons_are_named(sides, n, lifted):
    rng = np.random.default_rng(100 * sides + n)
    W, b = disguised(sides, n, lifted, rng)
    exact = nearest_kgon(W, b)
    assert exact.name == f"{sides}-gon{'+' * lifted}"
    # The polygons' radii are converged to 1e-8, and the turn to rounding.
    assert exact.distance < 1e-6
    np.testing.assert_allclose(exact.W, W, atol=1e-6)
    assert exact.loss == pytest.approx(kgon_loss(best_kgon(sides), n, lifted=lifted))
    # Two polygons lie further apart than noise of a hundredth: a lifted bias alone is 1/(2n) > 0.06.
    noise = 0.01 * rng.normal(size=(3, n))
    noisy = nearest_kgon(W + noise[:2], b + noise[2])
    assert noisy.name == exact.name
    assert noisy.distance <= np.linalg.norm(noise)


def test_the_distance_is_that_to_the_point():
    W, b = np.random.default_rng(0).normal(size=(2, 6)), np.zeros(6)
    found = nearest_kgon(W, b)
    assert found.distance == pytest.approx(np.sqrt(((W - found.W) ** 2).sum() + ((b - found.b) ** 2).sum()), rel=1e-12)


@pytest.mark.parametrize(("W", "b"), [((3, 5), 5), ((2, 1), 1), ((2, 5), 4)])
def test_two_dimensions_are_needed(W, b):
    with pytest.raises(ValueError, match=r"W must have shape \(2, n\)"):
        nearest_kgon(np.zeros(W), np.zeros(b))
