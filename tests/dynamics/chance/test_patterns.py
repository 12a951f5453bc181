"""How surely directions form a shape: exact at random, nothing for a perfect shape."""

import math

import numpy as np
import pytest

from dyn.dynamics.chance.patterns import log_choose, pattern_of
from dyn.dynamics.chance.search import faint, sought
from dyn.dynamics.polytopes.shapes import shapes

ALL = [shape for k in (2, 3, 4, 5, 6, 8, 12) for shape in shapes(k)]


def unit(W: np.ndarray) -> np.ndarray:
    return W / np.linalg.norm(W, axis=0)


@pytest.mark.parametrize("shape", ALL, ids=lambda shape: f"{shape.vertices.shape[1]} {shape.name}")
def test_a_perfect_shape_has_no_error_in_any_frame(shape):
    pattern, rng = pattern_of(shape), np.random.default_rng(0)
    frame = np.linalg.qr(rng.normal(size=(30, shape.rank)))[0]
    W = frame @ shape.vertices
    assert pattern.error(W.T @ W, pattern.order) == pytest.approx(0, abs=1e-9)
    assert len(pattern.laws(40)) == pattern.rank * (pattern.rank - 1) // 2 + pattern.size - pattern.rank


@pytest.mark.parametrize("pattern", [*map(sought, ("digon", "triangle", "tetrahedron", "pentagon")), faint("pentagon")])
@pytest.mark.parametrize("m", [4, 16])
def test_at_random_every_chance_is_as_common_as_it_says(pattern, m):
    rng = np.random.default_rng(1)
    errors = []
    for _ in range(2000):
        W = unit(rng.normal(size=(m, pattern.size)))
        errors.append(pattern.error(W.T @ W, range(pattern.size)))
    chances = np.exp([pattern.tail(m).at(error) for error in errors])
    for share in (0.02, 0.1, 0.3):
        assert (chances <= share).mean() == pytest.approx(share, abs=4.5 * math.sqrt(share / 2000))


def test_how_many_ways_there_are():
    assert math.exp(log_choose(10, 3)) == pytest.approx(120)
    # Five features make twelve different pentagons, and one simplex.
    assert math.exp(sought("pentagon").log_count(5)) == pytest.approx(12)
    assert math.exp(sought("tetrahedron").log_count(6)) == pytest.approx(15)
    assert sought("digon").log_count(1) == -math.inf


def test_the_best_guess_of_a_vertex_under_noise_is_the_regression_on_those_before():
    """Vectors whose noise is as long as their vertices, by so many draws of them that the regression is exact."""
    pattern, rng = faint("pentagon"), np.random.default_rng(5)
    shape = next(shape for shape in shapes(5) if shape.name == "pentagon").vertices[:, pattern.order]
    many = 20_000
    vectors = rng.normal(size=(many, 2)) @ shape + rng.normal(size=(many, 5))
    for j, a in enumerate(pattern.coefficients, 1):
        regression = np.linalg.lstsq(vectors[:, :j], vectors[:, j], rcond=None)[0]
        # The error of a coefficient is about sqrt(2 / 20 000).
        assert a == pytest.approx(regression, abs=0.04)
    assert math.exp(faint("pentagon").log_count(5)) == pytest.approx(24)


def test_the_count_is_that_of_all_relabelled_groups():
    antiprism = next(shape for shape in shapes(8) if shape.name == "square antiprism")
    assert math.exp(pattern_of(antiprism).log_labels) == pytest.approx(math.factorial(8) / 16)


def test_a_pattern_is_made_once():
    assert sought("pentagon") is sought("pentagon")
    assert sought("pentagon").tail(9) is sought("pentagon").tail(9)


def test_noise_makes_errors_of_its_own_variance():
    """In units of the noise the sum of the errors has the mean of chi squared with as many degrees of freedom."""
    pattern, rng, noise = sought("triangle"), np.random.default_rng(2), 0.01
    shape = next(shape for shape in shapes(3) if shape.name == "triangle")
    sums = []
    for _ in range(300):
        frame = np.linalg.qr(rng.normal(size=(20, 2)))[0]
        W = unit(frame @ shape.vertices[:, pattern.order] + noise * rng.normal(size=(20, 3)))
        sums.append(pattern.error(W.T @ W, range(3)) / noise**2)
    assert np.mean(sums) == pytest.approx(pattern.freedom(20), rel=0.06)
