"""A matrix over time: known singular values, ranks and sizes of change, whatever its scale and wherever it lies."""

import numpy as np
import pytest

from dyn.dynamics.geometry import change_from, effective_rank, matrix_norm, singular_values, spectra, update_size


def rotated(values, m: int = 7, n: int = 5, seed: int = 0) -> np.ndarray:
    """Return a matrix (m, n) with these singular values, in directions at random."""
    rng = np.random.default_rng(seed)
    U, _ = np.linalg.qr(rng.normal(size=(m, m)))
    V, _ = np.linalg.qr(rng.normal(size=(n, n)))
    return U[:, : len(values)] * values @ V[: len(values)]


def test_singular_values_are_those_it_was_made_of():
    W = np.stack([rotated([5, 3, 2, 1, 0.5], seed=1), rotated([2, 2, 2, 0, 0], seed=2)])
    assert singular_values(W) == pytest.approx(np.array([[5, 3, 2, 1, 0.5], [2, 2, 2, 0, 0]]), abs=1e-12)


def test_the_effective_rank_of_known_spectra():
    W = np.stack([rotated(each) for each in ([1, 1, 1, 1, 1], [4, 0, 0, 0, 0], [3, 3, 0, 0, 0], [2, 1, 1, 0, 0])])
    # Entropy of (1/2, 1/4, 1/4): 3/2 ln 2.
    assert effective_rank(W) == pytest.approx([5, 1, 2, 2**1.5], rel=1e-9)


@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e200])
def test_the_scale_is_of_no_account_for_the_rank_and_for_changes(scale):
    W = np.stack([rotated([3, 2, 1, 1, 1]), rotated([3, 2, 1, 1, 2])]) * scale
    assert effective_rank(W) == pytest.approx(effective_rank(W / scale))
    assert matrix_norm(W) == pytest.approx([4 * scale, np.sqrt(19) * scale])
    assert update_size(W[:-1], W[1:]) == pytest.approx([1 / 4])
    assert change_from(W[0], W) == pytest.approx([0, 1 / 4])


def test_zeros_have_no_rank_and_change_without_bound():
    W = np.zeros((3, 2, 4))
    W[2, 0, 0] = 1e-3
    assert effective_rank(W).tolist() == [0, 0, 1]
    assert update_size(W[:-1], W[1:]).tolist() == [0, np.inf]
    assert change_from(W[0], W).tolist() == [0, 0, np.inf]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_row_that_is_not_finite_is_unknown_and_harms_no_other(bad):
    W = np.random.default_rng(0).normal(size=(4, 3, 3))
    W[2, 1, 1] = bad
    assert np.isnan(singular_values(W)).all(axis=1).tolist() == [False, False, True, False]
    for values in (effective_rank(W), matrix_norm(W), change_from(W[0], W)):
        assert np.isnan(values).tolist() == [False, False, True, False]
    assert np.isnan(update_size(W[:-1], W[1:])).tolist() == [False, True, True]


def test_single_precision_is_measured_in_double():
    W = np.ones((2, 300, 300), np.float32)
    W[1, 0, 0] += np.float32(1e-6)
    change = float(W[1, 0, 0]) - 1
    assert update_size(W[:-1], W[1:]) == pytest.approx([change / 300], rel=1e-12)
    assert matrix_norm(np.full((1, 2, 2), 3e38, np.float32)) == pytest.approx([6e38], rel=1e-6)


def test_rows_are_read_a_few_at_a_time(monkeypatch):
    W = np.random.default_rng(0).normal(size=(20, 4, 3))
    whole = [singular_values(W), effective_rank(W), matrix_norm(W), update_size(W[:-1], W[1:]), change_from(W[0], W)]
    monkeypatch.setattr(spectra, "_MOST_BYTES", W[0].nbytes * 3)
    parts = [singular_values(W), effective_rank(W), matrix_norm(W), update_size(W[:-1], W[1:]), change_from(W[0], W)]
    for one, other in zip(whole, parts, strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: effective_rank(np.ones((3, 3))), r"\(T, m, n\).*\(3, 3\)"),
        (lambda: matrix_norm(np.array([[["a"]]])), "must be numbers"),
        (lambda: update_size(np.ones((2, 3, 3)), np.ones((2, 3, 4))), "same shape"),
        (lambda: change_from(np.ones((3, 4)), np.ones((2, 3, 3))), r"\(3, 3\); got \(3, 4\)"),
    ],
)
def test_other_shapes_are_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_rows_of_any_size_have_their_norm_side_by_side():
    W = np.array([0.0, 1e-250, 1e-10, 1.0, 1e10, 1e250])[:, None, None] * np.array([[3.0, 0.0], [0.0, -4.0]])
    np.testing.assert_allclose(matrix_norm(W), 5 * np.array([0.0, 1e-250, 1e-10, 1.0, 1e10, 1e250]), rtol=1e-12)
    W[2, 0, 0], W[3, 0, 0] = np.nan, np.inf
    assert np.isnan(matrix_norm(W)[[2, 3]]).all()
    assert np.isfinite(matrix_norm(W)[[0, 1, 4, 5]]).all()
