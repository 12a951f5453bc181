"""The law of cosines where directions crowd along one, against sampling."""

import numpy as np
import pytest

from dyn.dynamics.chance.crowding import Crowding, even_difference, even_distance


def cosines(nu: int, kappa: float, rng: np.random.Generator) -> np.ndarray:
    z = rng.normal(size=(200_000, nu + 1))
    z[:, 0] *= kappa**0.5
    return z[:, 0] / np.linalg.norm(z, axis=1)


@pytest.mark.parametrize(("nu", "kappa", "m"), [(7, 3.0, 16), (7, 0.4, 16), (3, 1.0, 64)])
def test_an_error_is_as_rare_as_the_one_it_stands_for(nu, kappa, m):
    rng = np.random.default_rng(0)
    crowded, even = cosines(nu, kappa, rng), cosines(m - 1, 1.0, rng)
    crowding = Crowding(np.array([float(nu)]), np.array([kappa]))
    for distance in (0.5, 0.8, 1.2):
        (alike,) = even_distance(np.array([distance]), m, crowding)
        assert (even > 1 - alike).mean() == pytest.approx((crowded > 1 - distance).mean(), rel=0.1, abs=1e-3)
    for difference in (0.1, 0.3):
        (alike,) = even_difference(np.array([difference]), -0.3, m, crowding)
        expected = (np.abs(crowded + 0.3) < difference).mean()
        assert (np.abs(even + 0.3) < alike).mean() == pytest.approx(expected, rel=0.1, abs=1e-3)


def test_evenly_spread_directions_keep_their_errors():
    even = Crowding(np.array([15.0]), np.array([1.0]))
    assert even_distance(np.array([1.4]), 16, even)[0] == pytest.approx(1.4)
    for error in (1e-6, 0.01, 0.3):
        assert even_distance(np.array([error]), 16, even)[0] == pytest.approx(error)
        assert even_difference(np.array([error]), -0.5, 16, even)[0] == pytest.approx(error, rel=1e-3)
