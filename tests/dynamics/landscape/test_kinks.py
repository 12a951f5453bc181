"""Integrated errors against quadrature and against their own derivatives."""

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from dyn.dynamics.landscape.kinks import (
    blurred_square,
    blurred_square_derivatives,
    integrated_error,
    integrated_error_derivatives,
)

# Slopes of another feature (s = 0) may have any sign; its own slope |W_i|² has none.
SLOPES = {0.0: [-1.3, -0.2, 0.0, 0.4, 2.0], 1.0: [0.0, 0.3, 1.0, 1.7]}
CASES = [(a, c, s) for s, slopes in SLOPES.items() for a in slopes for c in (-1.5, -0.25, 0.1, 0.9)]


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize(("a", "c", "s"), CASES)
def test_the_integral(a, c, s, linear):
    def error(t: float) -> float:
        z = a * t + c
        return (s * t - (z if linear else max(z, 0))) ** 2

    kink = [-c / a] if a and 0 < -c / a < 1 else None
    expected, _ = quad(error, 0, 1, points=kink, epsabs=1e-13)
    found = integrated_error(*torch.tensor([[a], [c], [s]], dtype=torch.float64), linear=linear)
    # Quadrature of a parabola on each side of the kink is exact to rounding.
    assert float(found) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("linear", [False, True])
def test_the_derivatives_of_the_integral(linear):
    a, c, s = torch.tensor([case for case in CASES if case[0]], dtype=torch.float64).T
    a.requires_grad_()
    c.requires_grad_()
    f = integrated_error(a, c, s, linear=linear)
    f_a, f_c = torch.autograd.grad(f.sum(), (a, c), create_graph=True)
    f_aa, f_ac = torch.autograd.grad(f_a.sum(), (a, c), retain_graph=True)
    (f_cc,) = torch.autograd.grad(f_c.sum(), c)
    for found, expected in zip(
        integrated_error_derivatives(a, c, s, linear=linear), (f_a, f_c, f_aa, f_ac, f_cc), strict=True
    ):
        torch.testing.assert_close(found.detach(), expected.detach(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("c", [-0.3, -0.05, 0.0, 0.07, 0.4])
@pytest.mark.parametrize("blur", [0.0, 0.1])
def test_the_blurred_square(c, blur):
    expected, _ = quad(
        lambda u: max(c + blur * u, 0) ** 2 / 2, -1, 1, points=[-c / blur] if blur else None, epsabs=1e-14
    )
    at = torch.tensor([c], dtype=torch.float64, requires_grad=True)
    f = blurred_square(at, blur)
    assert f.item() == pytest.approx(expected, abs=1e-13)
    (slope,) = torch.autograd.grad(f.sum(), at, create_graph=True)
    (bend,) = torch.autograd.grad(slope.sum(), at)
    for found, true in zip(blurred_square_derivatives(at.detach(), blur), (slope, bend), strict=True):
        np.testing.assert_allclose(found, true.detach(), atol=1e-12)
