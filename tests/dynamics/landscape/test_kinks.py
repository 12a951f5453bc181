"""Integrated errors against quadrature."""

import pytest
import torch
from scipy.integrate import quad

from dyn.dynamics.landscape.kinks import integrated_error

# Slopes of another feature (s = 0) may have any sign; its own slope |W_i|² has none.
SLOPES = {0.0: [-1.3, -0.2, 0.0, 0.4, 2.0], 1.0: [0.0, 0.3, 1.0, 1.7]}
CASES = [(a, c, s) for s, slopes in SLOPES.items() for a in slopes for c in (-1.5, -0.25, 0.1, 0.9)]


@pytest.mark.parametrize(("a", "c", "s"), CASES)
def test_the_integral(a, c, s):
    def error(t: float) -> float:
        return (s * t - max(a * t + c, 0)) ** 2

    kink = [-c / a] if a and 0 < -c / a < 1 else None
    expected, _ = quad(error, 0, 1, points=kink, epsabs=1e-13)
    found = integrated_error(*torch.tensor([[a], [c], [s]], dtype=torch.float64))
    # Quadrature of a parabola on each side of the kink is exact to rounding.
    assert float(found) == pytest.approx(expected, abs=1e-12)
