"""The law of directions that crowd along some dimensions, and what is as rare of directions evenly spread.

A direction is that of a normal vector whose variance along one dimension is κ times that along each of the ν others:
the angular central Gaussian distribution. Its cosine c with that one has the law that c / √(c² + κ (1 - c²)) has of
directions evenly spread in ν + 1 dimensions, since stretching space turns one into the other. ν need be no whole
number: it is of how many dimensions what is left would scatter as much. Source: Tyler 1987.
"""

from functools import cache
from typing import NamedTuple

import numpy as np

# Below that a probability has no digits.
_LEAST = 1e-290
_WIDTHS = np.geomspace(1e-9, 2, 400)


class Crowding(NamedTuple):
    """How directions crowd: their variance along one dimension in units of that along the others, κ, and ν (P,)."""

    nu: np.ndarray
    kappa: np.ndarray


def even_distance(distance: np.ndarray, m: int, crowding: Crowding) -> np.ndarray:
    """Return the distance 1 - cos that is as rare of directions evenly spread in m dimensions, (P,) -> (P,)."""
    from scipy.special import betainc, betaincinv

    across = distance * (2 - distance)
    stretched = crowding.kappa * across / (1 - across + crowding.kappa * across)
    rare = np.maximum(betainc(crowding.nu / 2, 0.5, stretched), _LEAST)
    across = betaincinv((m - 1) / 2, 0.5, rare)
    near = across / (1 + np.sqrt(1 - across))
    return np.where(distance > 1, 2 - near, near)


def even_difference(difference: np.ndarray, target: float, m: int, crowding: Crowding) -> np.ndarray:
    """Return the difference from a cosine that is as rare of directions evenly spread in m dimensions, (P,) -> (P,)."""
    chance = _below(target + difference, crowding) - _below(target - difference, crowding)
    even = _table(target, m)
    return np.exp(np.interp(np.log(np.maximum(chance, _LEAST)), even, np.log(_WIDTHS)))


@cache
def _table(target: float, m: int) -> np.ndarray:
    """Return the logarithms of the chances of all *_WIDTHS*, of directions evenly spread in m dimensions."""
    even = Crowding(np.array(m - 1.0), np.array(1.0))
    chances = _below(target + _WIDTHS, even) - _below(target - _WIDTHS, even)
    return np.log(np.maximum(chances, _LEAST))


def _below(cosine: np.ndarray, crowding: Crowding) -> np.ndarray:
    """Return P(cos ≤ *cosine*), 0 and 1 beyond what a cosine can be."""
    from scipy.special import betainc

    squared = np.minimum(1, cosine * cosine)
    squared = squared / (squared + crowding.kappa * (1 - squared))
    return (1 + np.sign(cosine) * betainc(0.5, crowding.nu / 2, squared)) / 2
