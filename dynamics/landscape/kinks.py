"""The squared error of a ReLU, its kink rounded by what is integrated over, in closed form."""

import torch
from torch import Tensor


def integrated_error(a: Tensor, c: Tensor, s: Tensor) -> Tensor:
    """Return f = ∫₀¹ (s t - ReLU(a t + c))² dt, elementwise.

    With [l, h] the part of [0, 1] in which a t + c > 0, f = s/3 + ∫ (a t + c)² - 2 s t (a t + c) dt over [l, h].

    Shapes: a, c, s the same. s is 1 for the output to a feature itself, where a = |W_i|² is not negative, or else 0.
    """
    M0, M1, M2 = _moments(a, c)
    return s / 3 + a * (a - 2 * s) * M2 + 2 * c * (a - s) * M1 + c**2 * M0


def integrated_error_and_slopes(a: Tensor, c: Tensor, s: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return f of integrated_error() with ∂f/∂a = 2 ∫ t (a t + c - s t) dt and ∂f/∂c = 2 ∫ a t + c - s t dt.

    The ends of [l, h] move too, but what is integrated is 0 where they do. Shapes: those of integrated_error().
    """
    M0, M1, M2 = _moments(a, c)
    by_a, by_c = 2 * ((a - s) * M2 + c * M1), 2 * ((a - s) * M1 + c * M0)
    return s * (1 / 3 - a * M2 - c * M1) + (a * by_a + c * by_c) / 2, by_a, by_c


def _moments(a: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return ∫ t^k dt for k = 0, 1, 2 over the part of [0, 1] in which a t + c > 0."""
    kink = (-c / torch.where(a == 0, 1, a)).clamp(0, 1)
    never = ((a == 0) & (c <= 0)).to(c.dtype)
    low = torch.where(a > 0, kink, never)
    high = torch.where(a < 0, kink, 1)
    return high - low, (high**2 - low**2) / 2, (high**3 - low**3) / 3
