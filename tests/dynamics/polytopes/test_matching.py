"""Matching points with vertices, against planted orders."""

import numpy as np
import pytest

from dyn.dynamics.polytopes.matching import difference, match
from dyn.dynamics.polytopes.shapes import shapes

# A few hundred roundings of double precision.
EXACT = 1e-12

MANY = [shape for k in (1, 2, 5, 8, 12, 20) for shape in shapes(k)]


@pytest.mark.parametrize("shape", MANY, ids=lambda shape: f"{shape.name}, {shape.vertices.shape[1]}")
@pytest.mark.parametrize("noise", [0.0, 0.03])
def test_a_shuffled_polytope_is_matched_at_least_as_well_as_it_was_shuffled(shape, noise):
    rng = np.random.default_rng(0)
    for _ in range(20):
        order = rng.permutation(shape.vertices.shape[1])
        points = shape.vertices[:, order] + noise * rng.normal(size=shape.vertices.shape)
        cosines = points.T @ points
        assignment = match(cosines, shape.cosines)
        assert sorted(assignment) == sorted(order)
        # Other assignments than the planted one are as good where there is symmetry, and better by luck of the noise.
        assert difference(cosines, shape.cosines, assignment) <= difference(cosines, shape.cosines, order) + EXACT


def test_the_least_difference_is_below_that_of_any_assignment():
    rng = np.random.default_rng(1)
    one, other = (np.corrcoef(rng.normal(size=(6, 4))) for _ in range(2))
    least = difference(one, other)
    assert 0 < least <= min(difference(one, other, rng.permutation(6)) for _ in range(200))


def test_the_difference_is_that_of_the_pairs():
    cosines, pattern = np.array([[1, 0.5], [0.5, 1]]), np.array([[1, -1], [-1, 1]])
    assert difference(cosines, pattern, np.array([0, 1])) == pytest.approx(1.5, rel=EXACT)
    assert difference(np.ones((1, 1)), np.ones((1, 1))) == 0
