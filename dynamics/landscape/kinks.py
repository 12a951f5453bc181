"""The squared error of a ReLU, its kink rounded by what is integrated over, with its derivatives in closed form."""

import torch
from torch import Tensor


def integrated_error(a: Tensor, c: Tensor, s: Tensor, *, linear: bool = False) -> Tensor:
    """Return f = ∫₀¹ (s t - ReLU(a t + c))² dt, elementwise; without the ReLU where *linear*.

    With [l, h] the part of [0, 1] in which a t + c > 0, f = s/3 + ∫ (a t + c)² - 2 s t (a t + c) dt over [l, h].

    Shapes: a, c, s the same. s is 1 for the output to a feature itself, where a = |W_i|² is not negative, or else 0.
    """
    M0, M1, M2, _ = _moments(a, c, linear)
    return s / 3 + a * (a - 2 * s) * M2 + 2 * c * (a - s) * M1 + c**2 * M0


def integrated_error_derivatives(a: Tensor, c: Tensor, s: Tensor, *, linear: bool = False) -> tuple[Tensor, ...]:
    """Return ∂f/∂a, ∂f/∂c, ∂²f/∂a², ∂²f/∂a∂c and ∂²f/∂c² of integrated_error; each of the shape of a.

    Where the kink t* = -c/a lies inside [0, 1] it moves by dt* = -(t* da + dc)/a, and with it the error's slope jumps
    by 2 s t*: the second derivatives lose 2 s t*³/a, 2 s t*²/a and 2 s t*/a.
    """
    M0, M1, M2, kink = _moments(a, c, linear)
    moved = torch.where((kink > 0) & (kink < 1), 2 * s * kink / torch.where(a == 0, 1, a), 0)
    return (
        2 * ((a - s) * M2 + c * M1),
        2 * ((a - s) * M1 + c * M0),
        2 * M2 - moved * kink**2,
        2 * M1 - moved * kink,
        2 * M0 - moved,
    )


def blurred_square(c: Tensor, blur: float) -> Tensor:
    """Return f = E[ReLU(c + blur u)²] with u uniform on [-1, 1], elementwise; at blur 0 it is ReLU(c)².

    Its second derivative rises from 0 to 2 while c goes from -blur to blur, where that of ReLU(c)² jumps.
    """
    if not blur:
        return c.relu().square()
    return ((c + blur).relu() ** 3 - (c - blur).relu() ** 3) / (6 * blur)


def blurred_square_derivatives(c: Tensor, blur: float) -> tuple[Tensor, Tensor]:
    """Return the first and the second derivative of blurred_square."""
    if not blur:
        return 2 * c.relu(), 2 * (c > 0).to(c.dtype)
    slope = ((c + blur).relu() ** 2 - (c - blur).relu() ** 2) / (2 * blur)
    return slope, (1 + c / blur).clamp(0, 2)


def _moments(a: Tensor, c: Tensor, linear: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return ∫ t^k dt for k = 0, 1, 2 over the part of [0, 1] where the output is active, and where its kink is."""
    if linear:
        whole = torch.ones_like(c)
        return whole, whole / 2, whole / 3, torch.zeros_like(c)
    kink = (-c / torch.where(a == 0, 1, a)).clamp(0, 1)
    never = ((a == 0) & (c <= 0)).to(c.dtype)
    low = torch.where(a > 0, kink, never)
    high = torch.where(a < 0, kink, 1)
    return high - low, (high**2 - low**2) / 2, (high**3 - low**3) / 3, kink
