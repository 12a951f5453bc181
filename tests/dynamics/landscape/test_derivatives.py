"""Gradients and Hessians against the polynomials that they come from."""

import numpy as np
import pytest
import torch

from dyn.dynamics.landscape.derivatives import LossPoint, shifted

# A few roundings of double precision.
EXACT = 1e-13

RNG = np.random.default_rng(0)
A = RNG.normal(size=(7, 7))
H = A + A.T
g = RNG.normal(size=7)


def quadratic(W: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    theta = torch.cat([W.flatten(), b])
    return 3 + torch.tensor(g) @ theta + theta @ torch.tensor(H) @ theta / 2


def test_a_quadratic_form():
    W, b = RNG.normal(size=(2, 2)), RNG.normal(size=3)
    point = LossPoint(quadratic, (W, b))
    theta = np.r_[W.ravel(), b]
    assert point.size == 7
    assert point.scale == pytest.approx(np.linalg.norm(theta), rel=EXACT)
    assert point.loss == pytest.approx(3 + g @ theta + theta @ H @ theta / 2, rel=EXACT)
    np.testing.assert_allclose(point.gradient, g + H @ theta, atol=20 * EXACT)
    np.testing.assert_allclose(point.hessian(), H, atol=EXACT)
    np.testing.assert_allclose(point.product(theta), H @ theta, atol=20 * EXACT)


def test_single_precision_parameters_are_computed_with_in_double():
    W, b = np.ones((2, 2), np.float32), np.full(3, 0.1, np.float32)
    np.testing.assert_allclose(LossPoint(quadratic, (W, b)).hessian(), H, atol=EXACT)


def test_parameters_that_the_loss_does_not_depend_on_have_no_slope():
    point = LossPoint(lambda x, _: (x**2).sum(), (np.ones(2), np.ones(1)))
    np.testing.assert_array_equal(point.gradient, [2, 2, 0])
    np.testing.assert_array_equal(point.hessian(), np.diag([2, 2, 0]))


def test_a_linear_loss_has_no_curvature():
    np.testing.assert_array_equal(LossPoint(lambda x: x.sum(), (np.ones(3),)).hessian(), np.zeros((3, 3)))


def test_an_expandable_loss_is_expanded_at_the_point():
    class Expandable:
        def __call__(self, *_: torch.Tensor) -> torch.Tensor:
            raise AssertionError("the expansion is there to be used")

        def expanded(self, x: torch.Tensor):
            return lambda y: ((y - x) ** 2).sum() + x.sum()

    point = LossPoint(Expandable(), (np.array([1.0, 2.0]),))
    assert point.loss == 3
    np.testing.assert_array_equal(point.hessian(), 2 * np.eye(2))


@pytest.mark.parametrize("loss", [lambda x: x.log().sum(), lambda x: x], ids=["not finite", "not one number"])
def test_the_loss_must_be_one_finite_number(loss):
    with pytest.raises(ValueError, match="one finite number"):
        LossPoint(loss, (np.array([-1.0, 1.0]),))


def test_steps_keep_the_shapes():
    W, b = shifted((np.zeros((2, 2)), np.zeros(1)), np.arange(5.0))
    np.testing.assert_array_equal(W, [[0, 1], [2, 3]])
    np.testing.assert_array_equal(b, [4])
