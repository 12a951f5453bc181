"""Curvature against planted spectra, the linear model's critical points, and the k-gons."""

from itertools import combinations

import numpy as np
import pytest
import torch

from dyn.dynamics.landscape import curvature, is_twice_differentiable
from dyn.dynamics.landscape.surfaces import one_hot_loss
from dyn.dynamics.theory.kgons import best_kgon, kgon_parameters

pytestmark = pytest.mark.usefixtures("one_thread")


def planted(values: np.ndarray, slope: float = 0.0):
    """A loss whose Hessian has these eigenvalues everywhere, and the gradient *slope* (1, 1, …) at 0."""
    Q = np.linalg.qr(np.random.default_rng(0).normal(size=(len(values), len(values)))).Q
    H = torch.tensor((Q * values) @ Q.T)
    return lambda theta: theta @ H @ theta / 2 + slope * theta.sum()


SPECTRUM = np.r_[-2, -1, -1, -0.1, np.zeros(6), np.linspace(0.1, 1, 100), 3, 3, 5]


def test_all_eigenvalues_of_a_planted_spectrum():
    found = curvature(planted(SPECTRUM), np.zeros(len(SPECTRUM)))
    # Rounding of a matrix of norm 5 with 113 rows.
    np.testing.assert_allclose(found.eigenvalues, np.sort(SPECTRUM), atol=1e-12)
    assert found.saddle_index == 4
    assert found.zero_modes == 6
    assert found.trace == pytest.approx(SPECTRUM.sum(), rel=1e-12)
    assert (found.trace_error, found.gradient_norm, found.size) == (0, 0, len(SPECTRUM))


@pytest.mark.parametrize("count", [5, 12])
def test_lanczos_agrees_with_all_eigenvalues(count):
    exact = curvature(planted(SPECTRUM), np.zeros(len(SPECTRUM)))
    found = curvature(planted(SPECTRUM), np.zeros(len(SPECTRUM)), count=count, exact_up_to=10)
    np.testing.assert_allclose(found.eigenvalues[:count], exact.eigenvalues[:count], atol=1e-8)
    np.testing.assert_allclose(found.eigenvalues[-count:], exact.eigenvalues[-count:], atol=1e-8)
    assert found.saddle_index == 4
    assert found.trace == pytest.approx(exact.trace, abs=5 * found.trace_error)


def test_what_lanczos_cannot_know_is_none():
    found = curvature(planted(SPECTRUM), np.zeros(len(SPECTRUM)), count=2, exact_up_to=10)
    # The two lowest of four negative ones: there may be any number more, and the zeros are out of sight.
    assert found.saddle_index is None
    assert found.zero_modes is None


def test_twelve_from_either_end_show_the_zeros():
    assert curvature(planted(SPECTRUM), np.zeros(len(SPECTRUM)), count=12, exact_up_to=10).zero_modes == 6


def test_the_gradient_sets_what_counts_as_zero():
    # At |θ| = 1 a slope of 0.5 makes curvatures up to 0.5 those that a symmetry could have.
    theta = np.zeros(len(SPECTRUM))
    found = curvature(planted(SPECTRUM, slope=1e-3), theta + 1e-3)
    assert found.tolerance >= found.gradient_norm / np.linalg.norm(theta + 1e-3)
    assert curvature(planted(SPECTRUM, slope=1e-3), theta, tolerance=0.5).saddle_index == 3


def test_curvature_of_a_deep_network():
    # A product of 700 numbers at 1 (beyond the exact size): H = 1 1^T - 1 has -1 all over and one 699.
    found = curvature(lambda x: x.log().sum().exp(), np.ones(700), count=3)
    assert found.eigenvalues[-1] == pytest.approx(699, rel=1e-12)
    np.testing.assert_allclose(found.eigenvalues[:-1], -1, atol=1e-8 * 699)


# The linear model with distinct importances: its loss E[Σ I_i (x_i - y_i)²] for variance σ² and mean μ of each feature.
IMPORTANCE = torch.tensor([1.0, 0.7, 0.5, 0.3, 0.2], dtype=torch.float64)
MEAN, VARIANCE = 0.15, 0.0775


def linear_loss(W: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    missed = torch.eye(5, dtype=W.dtype) - W.mT @ W
    return IMPORTANCE @ (VARIANCE * missed.square().sum(1) + (MEAN * missed.sum(1) - b).square())


@pytest.mark.parametrize("n_hidden", [1, 2, 3])
def test_critical_points_of_the_linear_model(n_hidden):
    for learned in (set_ for size in range(n_hidden + 1) for set_ in combinations(range(5), size)):
        W, b = np.zeros((n_hidden, 5)), np.full(5, MEAN)
        W[range(len(learned)), learned] = 1
        b[list(learned)] = 0
        found = curvature(linear_loss, W, b)
        assert found.gradient_norm == pytest.approx(0, abs=1e-15)
        ignored = set(range(5)) - set(learned)
        # Each free dimension can take up any ignored feature; a learned one turns to any that is more important.
        better = sum(bool(IMPORTANCE[j] > IMPORTANCE[a]) for a in learned for j in ignored)
        rank, free = len(learned), n_hidden - len(learned)
        assert found.saddle_index == free * len(ignored) + better
        # The rotations that move W: all but those of the free dimensions among themselves.
        assert found.zero_modes == (n_hidden * (n_hidden - 1) - free * (free - 1)) // 2
        assert rank == np.linalg.matrix_rank(W)


@pytest.mark.parametrize(("sides", "n", "lifted", "index"), [
    (5, 5, 0, 0), (6, 6, 0, 0), (7, 7, 0, 0), (8, 8, 0, 0), (5, 6, 1, 0), (6, 8, 2, 0), (5, 7, 1, 2),
    (5, 8, 2, 2), (6, 8, 1, 2),
])  # fmt: skip
def test_k_gons(sides, n, lifted, index):
    # A lifted dead feature i and one j that is not: L has b_i W_i·W_j / n and no |W_j|², a saddle in both dimensions.
    W, b = kgon_parameters(best_kgon(sides), n, lifted=lifted)
    silent = np.arange(n) >= sides + lifted
    found = curvature(one_hot_loss, W, np.where(silent, -0.1, b), tolerance=1e-6)
    # The polygons are converged to 1e-8.
    assert found.gradient_norm < 1e-7
    assert found.saddle_index == index
    if not silent.any():
        # The rotation of the plane, and nothing else.
        assert found.zero_modes == 1


def test_two_parts_of_a_kinked_parabola():
    def kinked(x: torch.Tensor) -> torch.Tensor:
        return x.relu().square().sum() + x.square().sum()

    assert not is_twice_differentiable(kinked, np.zeros(3))
    assert is_twice_differentiable(kinked, np.array([0.1, -0.1, 0.2]))


def test_a_smooth_but_strongly_bent_loss_is_twice_differentiable():
    assert is_twice_differentiable(lambda x: (1e4 * x).sin().sum(), np.array([0.001, 0.002]))


def test_the_square_has_no_second_derivative_and_the_pentagon_has():
    assert not is_twice_differentiable(one_hot_loss, *kgon_parameters(best_kgon(4), 4))
    assert is_twice_differentiable(one_hot_loss, *kgon_parameters(best_kgon(5), 5))
