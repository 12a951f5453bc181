"""The generalised Thomson energy of polygons, its tie to L_1, and its gradient."""

import numpy as np
import pytest

from dyn.dynamics.theory.sparse_losses import one_sparse_terms
from dyn.dynamics.theory.thomson import thomson_energy, thomson_gradient

# A few hundred roundings of double precision.
EXACT = 1e-12


def polygon(k: int) -> np.ndarray:
    angles = 2 * np.pi * np.arange(k) / k
    return np.stack([np.cos(angles), np.sin(angles)])


# Only neighbours closer than 90 degrees count, each pair twice: cos² of 72, of 60, and of 45 degrees.
ENERGIES = {2: 0, 3: 0, 4: 0, 5: 10 * np.cos(np.radians(72)) ** 2, 6: 12 / 4, 8: 16 / 2}


@pytest.mark.parametrize("k", ENERGIES)
def test_the_energy_of_polygons(k):
    assert thomson_energy(polygon(k)) == pytest.approx(ENERGIES[k], abs=EXACT)


@pytest.mark.parametrize("m", [1, 3, 10])
def test_twice_as_many_features_as_dimensions_need_not_repel(m):
    assert thomson_energy(np.hstack([np.eye(m), -np.eye(m), np.zeros((m, 4))])) == 0


def test_it_is_three_times_the_interference_of_one_sparse_inputs():
    W = np.random.default_rng(0).normal(size=(5, 3, 6))
    interference = one_sparse_terms(W, np.zeros(6), 1).interference.sum(-1)
    np.testing.assert_allclose(thomson_energy(W), 3 * interference, rtol=EXACT)


def test_the_gradient_is_that_of_finite_differences():
    W = np.random.default_rng(1).normal(size=(2, 5))
    steps = 1e-5 * np.eye(10).reshape(10, 2, 5)
    differences = (thomson_energy(W + steps) - thomson_energy(W - steps)) / 2e-5
    # Central differences err by h² f'''/6 and by the rounding of f over h: both below 1e-7 here, where f is about 100.
    np.testing.assert_allclose(thomson_gradient(W).ravel(), differences, atol=1e-7)


def test_a_pentagon_is_in_equilibrium_on_the_circle():
    W = polygon(5)
    force = thomson_gradient(W)
    np.testing.assert_allclose(force - W * (force * W).sum(0), 0, atol=EXACT)


def test_one_axis_is_no_matrix():
    with pytest.raises(ValueError, match=r"\(\.\.\., m, n\)"):
        thomson_energy([1.0, 2.0])
