"""L_0 and L_1 against quadrature, hand-made models and finite differences."""

import numpy as np
import pytest
from scipy.integrate import quad

from dyn.dynamics.theory.sparse_losses import one_sparse_gradient, one_sparse_loss, one_sparse_terms, zero_sparse_loss

# A few hundred roundings of double precision.
EXACT = 1e-12


def model(seed: int, m: int = 2, n: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(m, n)), 0.5 * rng.normal(size=n), rng.random(n)


def quadrature(W, b, importance) -> tuple[np.ndarray, np.ndarray]:
    """Feature benefit and interference by scipy's quadrature, each integral cut at its kink."""
    n = len(b)
    error = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            a, c = W[:, i] @ W[:, j], b[i]
            kink = np.clip(-c / a, 0, 1) if a else 0.5
            for low, high in ((0, kink), (kink, 1)):
                error[i, j] += quad(lambda x: ((i == j) * x - max(a * x + c, 0)) ** 2, low, high, epsabs=1e-13)[0]  # noqa: B023
    own = np.diag(error)
    return importance * own, importance * (error.sum(1) - own)


@pytest.mark.parametrize("seed", range(8))
def test_one_sparse_terms_agree_with_quadrature(seed):
    W, b, importance = model(seed)
    W[:, 3] = 0 if seed % 2 else 1e-8 * W[:, 3]
    found = one_sparse_terms(W, b, importance)
    for part, expected in zip(found, quadrature(W, b, importance), strict=True):
        np.testing.assert_allclose(part, expected, atol=1e-10)
    assert one_sparse_loss(W, b, importance) == pytest.approx(sum(map(np.sum, found)), abs=EXACT)


def test_zero_sparse_loss_counts_positive_biases_alone():
    assert zero_sparse_loss([0.5, -3.0, 0.1], [1, 1, 10]) == pytest.approx(0.25 + 0.1)


@pytest.mark.parametrize(("b", "own", "others"), [(0, 1 / 3, 0), (-1, 1 / 3, 0), (0.5, 1 / 12, 1 / 2), (1, 1 / 3, 2)])
def test_a_model_that_represents_nothing(b, own, others):
    # ∫ (x - b)² = 1/3 - b + b², and on each of the other two features b².
    terms = one_sparse_terms(np.zeros((2, 3)), [b] * 3, 1)
    np.testing.assert_allclose(terms.feature_benefit, [own] * 3, atol=EXACT)
    np.testing.assert_allclose(terms.interference, [others] * 3, atol=EXACT)


def test_an_antipodal_pair_is_free_and_an_acute_one_is_not():
    assert one_sparse_loss([[1, -1]], [0, 0], 1) == pytest.approx(0, abs=EXACT)
    # Each output reads x of the other feature: 2 ∫ x² = 2/3.
    assert one_sparse_loss([[1, 1]], [0, 0], 1) == pytest.approx(2 / 3)
    # A bias of -1/2 leaves ∫_{1/2}^1 (x - 1/2)² = 1/24 of it, and misses ∫_0^½ x² + ∫_½^1 1/4 = 1/6 of its own.
    assert one_sparse_loss([[1, 1]], [-0.5, -0.5], 1) == pytest.approx(2 / 24 + 2 / 6)


def test_leading_axes_are_batched_over_and_importances_spread():
    rng = np.random.default_rng(0)
    W, b = rng.normal(size=(4, 3, 2, 5)), rng.normal(size=(3, 5))
    loss, gradient = one_sparse_loss(W, b, 0.9 ** np.arange(5)), one_sparse_gradient(W, b, 0.9 ** np.arange(5))
    assert loss.shape == (4, 3)
    for index in np.ndindex(4, 3):
        each = W[index], b[index[1]], 0.9 ** np.arange(5)
        assert loss[index] == pytest.approx(one_sparse_loss(*each), abs=EXACT)
        for part, expected in zip(gradient, one_sparse_gradient(*each), strict=True):
            np.testing.assert_allclose(part[index], expected, atol=EXACT)
    assert one_sparse_loss(W[0, 0], b[0], np.ones((7, 5))).shape == (7,)


@pytest.mark.parametrize("seed", range(4))
def test_the_gradient_is_that_of_finite_differences(seed):
    W, b, importance = model(seed)
    gradient = one_sparse_gradient(W, b, importance)
    # Central differences err by h² f'''/6 and by the rounding of f over h: both below 1e-8.
    h = 1e-5
    for place, part in ((W, gradient.W), (b, gradient.b)):
        for index in np.ndindex(place.shape):
            value = place[index]
            place[index] = value + h
            above = one_sparse_loss(W, b, importance)
            place[index] = value - h
            below = one_sparse_loss(W, b, importance)
            place[index] = value
            assert part[index] == pytest.approx((above - below) / (2 * h), abs=1e-8)


def test_an_output_that_is_zero_throughout_has_no_gradient():
    gradient = one_sparse_gradient(np.zeros((2, 3)), np.zeros(3), 1)
    assert not gradient.W.any()
    assert not gradient.b.any()


def test_a_slope_too_small_to_divide_by_is_flat():
    np.testing.assert_allclose(one_sparse_loss([[1e-160, 1e-160]], [0.5, -0.5], 1), 1 / 12 + 1 / 4 + 1 / 3)


@pytest.mark.parametrize(("W", "b"), [(np.ones(3), np.ones(3)), (np.ones((2, 3)), np.ones(4)), (np.ones((2, 3)), 1.0)])
def test_shapes_that_are_no_model_are_named(W, b):
    with pytest.raises(ValueError, match=r"\(\.\.\., m, n\) and \(\.\.\., n\), got"):
        one_sparse_loss(W, b, 1)


def test_shapes_that_do_not_go_together_are_named():
    with pytest.raises(ValueError, match=r"importance .* \(\.\.\., 3\), got shape \(2,\)"):
        one_sparse_loss(np.ones((2, 3)), np.ones(3), [1, 2])
    with pytest.raises(ValueError, match=r"leading axes \(4,\), \(5,\), \(\) do not go together"):
        one_sparse_loss(np.ones((4, 2, 3)), np.ones((5, 3)), 1)
    with pytest.raises(ValueError, match="got the number 2"):
        zero_sparse_loss(2, 1)
