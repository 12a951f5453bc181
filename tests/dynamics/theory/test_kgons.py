"""The k-gons against the table of Chen et al. 2023, quadrature, and the full loss they are critical points of."""

import numpy as np
import pytest
from scipy.integrate import quad

from dyn.dynamics.errors import SettingError
from dyn.dynamics.theory.kgons import KGon, best_kgon, kgon_energy, kgon_loss, kgon_parameters
from dyn.dynamics.theory.sparse_losses import one_sparse_gradient, one_sparse_loss

# arXiv 2310.06301: radius, bias and energy of each k-gon, printed to five digits; asked for to 1e-4.
TABLE = {
    4: (1, 0, 0),
    5: (1.17046, -0.28230, 0.23738),
    6: (1.32053, -0.61814, 0.86746),
    7: (1.44839, -0.96691, 1.74870),
    8: (1.55045, -1.29119, 2.77311),
}
# Features, sides, lifted dead features, loss.
LOSSES = [
    (6, 4, 0, 0.11111),
    (6, 4, 1, 0.10417),
    (6, 5, 0, 0.06874),
    (6, 5, 1, 0.06180),
    (6, 6, 0, 0.04819),
    (5, 4, 0, 0.06667),
    (5, 4, 1, 0.05667),
    (5, 5, 0, 0.01583),
]
SHARP = 1e-5


@pytest.mark.parametrize("sides", TABLE)
def test_the_table_is_found(sides):
    assert best_kgon(sides)[1:] == pytest.approx(TABLE[sides], abs=SHARP)


@pytest.mark.parametrize(("c", "sides", "lifted", "loss"), LOSSES)
def test_losses_are_those_of_the_table(c, sides, lifted, loss):
    assert kgon_loss(best_kgon(sides), c, lifted=lifted) == pytest.approx(loss, abs=SHARP)


@pytest.mark.parametrize("sides", [2, 3, 4, 5, 6, 7, 8])
@pytest.mark.parametrize("dead", [0, 1, 3])
def test_kgons_are_critical_points_of_the_full_loss(sides, dead):
    kgon, c = best_kgon(sides), sides + dead
    for lifted in range(dead + 1):
        W, b = kgon_parameters(kgon, c, lifted=lifted)
        # The mean over features and over which one is on, hence 1/c; radius and bias are found to about 1e-12.
        assert kgon_loss(kgon, c, lifted=lifted) == pytest.approx(one_sparse_loss(W, b, 1) / c, abs=1e-12)
        gradient = one_sparse_gradient(W, b, 1)
        np.testing.assert_allclose(gradient.W, 0, atol=1e-10)
        np.testing.assert_allclose(gradient.b, 0, atol=1e-10)


@pytest.mark.parametrize("sides", [2, 3, 4])
def test_polygons_without_interference_have_unit_radius_and_no_bias(sides):
    kgon = best_kgon(sides)
    assert kgon[1:] == pytest.approx((1, 0, 0), abs=1e-12)
    assert kgon.bias <= 0


@pytest.mark.parametrize("sides", [5, 6, 7, 8])
def test_no_other_radius_or_bias_loses_less(sides):
    kgon = best_kgon(sides)
    radius, bias = np.meshgrid(np.linspace(0, 3, 301), np.linspace(-4, 0, 201))
    assert kgon_energy(sides, radius, bias).min() >= kgon.energy


def test_a_lifted_feature_stands_at_its_best_bias():
    # Its loss is 1/3 - β + c β², at β = 1/(2c) less by 1/(4c) than at any b <= 0; divided by c, that is 1/(4c²).
    c = 7
    kgon = best_kgon(5)
    W, b = kgon_parameters(kgon, c, lifted=1)
    losses = []
    for b[5] in (-1, 1 / (2 * c), 1 / (2 * c) - 0.01, 1 / (2 * c) + 0.01):
        losses.append(one_sparse_loss(W, b, 1) / c)
    assert losses[0] - losses[1] == pytest.approx(1 / (4 * c**2), abs=1e-14)
    assert losses[2] - losses[1] == pytest.approx(1e-4, abs=1e-14)
    assert losses[3] - losses[1] == pytest.approx(1e-4, abs=1e-14)


@pytest.mark.parametrize("sides", [3, 5, 8])
def test_the_energy_agrees_with_quadrature(sides):
    radius, bias = 1.3, -0.4
    expected = 0.0
    for j in range(sides):
        slope = radius**2 * np.cos(2 * np.pi * j / sides)
        kink = np.clip(-bias / slope, 0, 1)
        for low, high in ((0, kink), (kink, 1)):
            expected += quad(lambda x: ((j == 0) * x - max(slope * x + bias, 0)) ** 2, low, high)[0]  # noqa: B023
    assert kgon_energy(sides, radius, bias) == pytest.approx(3 * sides * expected, abs=1e-10)


def test_the_energy_batches_over_radius_and_bias():
    energy = kgon_energy(5, np.ones((4, 1)), np.zeros(3))
    assert energy.shape == (4, 3)
    # At l = 1 and b = 0 a feature is read right, and each of two neighbours costs cos²(72°)/3.
    np.testing.assert_allclose(energy, 3 * 5 * 2 * np.cos(np.radians(72)) ** 2 / 3)


def test_polygons_need_two_sides_and_room():
    with pytest.raises(SettingError, match="sides=1 make no polygon; choose two or more"):
        best_kgon(1)
    with pytest.raises(SettingError, match="n_features=4 leave -1 dead for 5 sides and lifted=0"):
        kgon_loss(KGon(5, 1.0, 0.0, 0.0), 4)
    with pytest.raises(SettingError, match="n_features=6 leave 1 dead for 5 sides and lifted=2"):
        kgon_parameters(KGon(5, 1.0, 0.0, 0.0), 6, lifted=2)
