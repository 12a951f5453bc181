"""Extreme eigenvalues and traces of matrices whose spectrum was planted."""

import numpy as np
import pytest

from dyn.dynamics.landscape.lanczos import estimate_trace, extreme_eigenvalues

# The error of a converged eigenvalue is at most the tolerance 1e-8 times |H|, and usually its square.
CONVERGED = 1e-8

SPECTRA = {
    "outliers at both ends": np.r_[-5, -3, -1, np.linspace(0.01, 1, 150), 2, 4, 9],
    "repeated at both ends": np.r_[[-3.0] * 5, -2, np.linspace(0.01, 1, 180), [4.0] * 4, 8, 8],
    "all but a few are zero": np.r_[[-1.0] * 3, np.zeros(150), [1.0] * 2, 7],
    "one value": np.full(40, 2.5),
    "nothing": np.zeros(30),
    "dense ends": np.linspace(-1, 1, 200) ** 3,
    "smaller than asked for": np.array([-1.0, 0.5, 2.0]),
    "one": np.array([-4.0]),
    "huge": 1e12 * np.linspace(-1, 2, 60) ** 3,
}


def with_spectrum(values: np.ndarray, seed: int = 0) -> np.ndarray:
    Q = np.linalg.qr(np.random.default_rng(seed).normal(size=(len(values), len(values)))).Q
    H = (Q * values) @ Q.T
    return (H + H.T) / 2


@pytest.mark.parametrize("name", SPECTRA)
@pytest.mark.parametrize("seed", range(2))
def test_both_ends_are_found_with_their_multiplicities(name, seed):
    values = np.sort(SPECTRA[name])
    H = with_spectrum(values)
    found = extreme_eigenvalues(lambda v: H @ v, len(H), count=6, seed=seed)
    scale = CONVERGED * abs(values).max()
    few = min(6, len(values))
    np.testing.assert_allclose(found.values[:few], values[:few], rtol=0, atol=scale)
    np.testing.assert_allclose(found.values[-few:], values[-few:], rtol=0, atol=scale)
    # The residuals are those asked for, up to what the errors of the pairs found before add.
    assert (found.errors <= 10 * scale).all()


@pytest.mark.parametrize("name", SPECTRA)
def test_what_is_not_listed_lies_between_the_ends(name):
    values = np.sort(SPECTRA[name])
    H = with_spectrum(values)
    found = extreme_eigenvalues(lambda v: H @ v, len(H), count=4)
    low, high = found.unlisted
    if len(found.values) == len(values):
        assert (low, high) == (np.inf, -np.inf)
    else:
        assert -np.inf < low <= high < np.inf
        assert len(found.values) >= (values < low).sum() + (values > high).sum()


def test_running_out_of_products_leaves_the_ends_open():
    H = with_spectrum(np.linspace(-1, 1, 300) ** 3)
    found = extreme_eigenvalues(lambda v: H @ v, len(H), count=10, max_products=15)
    assert found.unlisted == (-np.inf, np.inf)
    assert found.products <= 15 + len(found.values)


def test_products_are_counted():
    calls = []
    H = with_spectrum(np.arange(50.0))

    def product(v: np.ndarray) -> np.ndarray:
        calls.append(v)
        return H @ v

    assert extreme_eigenvalues(product, 50, count=2).products == len(calls)


def test_the_trace_is_within_its_error():
    # With random signs the estimate misses by the off-diagonal elements alone; 5 standard errors of 200 probes.
    values = np.linspace(-1, 3, 80)
    H = with_spectrum(values)
    trace, error = estimate_trace(lambda v: H @ v, 80, probes=200)
    assert 0 < error < 1
    assert trace == pytest.approx(values.sum(), abs=5 * error)


def test_the_trace_of_a_diagonal_matrix_is_exact():
    trace, error = estimate_trace(lambda v: np.arange(10.0) * v, 10, probes=2)
    assert (trace, error) == (pytest.approx(45, rel=1e-14), pytest.approx(0, abs=1e-13))


@pytest.mark.parametrize(("size", "count"), [(0, 5), (5, 0)])
def test_sizes_must_be_positive(size, count):
    with pytest.raises(ValueError, match=f"size={size} and count={count}"):
        extreme_eigenvalues(lambda v: v, size, count=count)
