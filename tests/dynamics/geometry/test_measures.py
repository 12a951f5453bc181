"""Dimensionality, norms and interference against hand-made polytopes, the definition, and their invariances."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dyn.dynamics.geometry.measures import dimensionality, gram, interference, measure, norms

# A few hundred roundings of double precision; the polytopes and the definition are exact otherwise.
EXACT = 1e-12
# The same for single precision, whose unit roundoff is 6e-8.
SINGLE = 1e-5


def polygon(k: int, turn: float = 0.0) -> np.ndarray:
    angles = turn + 2 * np.pi * np.arange(k) / k
    return np.stack([np.cos(angles), np.sin(angles)])


def antiprism() -> np.ndarray:
    # The square antiprism that minimises interference: its rings at cos θ = ±1/√3 make W W^T a multiple of 1.
    rings = [np.vstack([np.sqrt(2 / 3) * polygon(4, t), np.full(4, z)]) for t, z in ((0, 1), (np.pi / 4, -1))]
    return np.hstack([np.vstack([ring[:2], ring[2:] / np.sqrt(3)]) for ring in rings])


def direct_sum(*blocks: np.ndarray) -> np.ndarray:
    W = np.zeros(np.sum([block.shape for block in blocks], axis=0))
    row = column = 0
    for block in blocks:
        W[row : row + block.shape[0], column : column + block.shape[1]] = block
        row, column = row + block.shape[0], column + block.shape[1]
    return W


DIGON = np.array([[1.0, -1.0]])
TETRAHEDRON = np.array([[1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]]) / np.sqrt(3)

POLYTOPES = {
    "dedicated": (np.eye(3), [1.0] * 3),
    "digon": (DIGON, [1 / 2] * 2),
    "triangle": (polygon(3), [2 / 3] * 3),
    "tetrahedron": (TETRAHEDRON, [3 / 4] * 4),
    "pentagon": (polygon(5), [2 / 5] * 5),
    "square antiprism": (antiprism(), [3 / 8] * 8),
    **{f"{k}-gon": (polygon(k), [2 / k] * k) for k in (4, 6, 7, 8)},
    "octahedron": (direct_sum(DIGON, DIGON, DIGON), [1 / 2] * 6),
    "triangular bipyramid": (direct_sum(polygon(3), DIGON), [2 / 3] * 3 + [1 / 2] * 2),
    "pentagonal bipyramid": (direct_sum(polygon(5), DIGON), [2 / 5] * 5 + [1 / 2] * 2),
    "unequal lengths": (np.array([[2.0, -1.0]]), [4 / 5, 1 / 5]),
    "a zero column": (np.array([[1.0, 0.0], [0.0, 0.0]]), [1.0, 0.0]),
    "nothing": (np.zeros((2, 3)), [0.0] * 3),
}


def by_definition(W: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """D, norm and interference of W (m, n), sum by sum as the paper writes them."""
    n = W.shape[1]
    D, length, others = np.zeros(n), np.zeros(n), np.zeros(n)
    for i in range(n):
        length[i] = np.sqrt(W[:, i] @ W[:, i])
        if length[i]:
            overlaps = np.array([(W[:, i] @ W[:, j] / length[i]) ** 2 for j in range(n)])
            D[i] = length[i] ** 2 / overlaps.sum()
            others[i] = np.delete(overlaps, i).sum()
    return D, length, others


# Entries in quarters: zero columns and repeated columns come up often, and no entry is lost beside another.
matrices = st.tuples(st.integers(1, 6), st.integers(1, 9)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.integers(-8, 8).map(lambda k: k / 4))
)
seeds = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize("name", POLYTOPES)
def test_known_polytopes(name):
    W, expected = POLYTOPES[name]
    np.testing.assert_allclose(dimensionality(W), expected, atol=EXACT)


@given(matrices)
def test_agrees_with_the_definition(W):
    for found, expected in zip(measure(W), by_definition(W), strict=True):
        np.testing.assert_allclose(found, expected, rtol=EXACT, atol=EXACT * np.square(W).sum())


@given(matrices)
def test_dimensionalities_are_fractions_that_share_the_rank(W):
    D = dimensionality(W)
    assert (D >= 0).all()
    assert (D <= 1 + EXACT).all()
    assert D.sum() <= np.linalg.matrix_rank(W) + EXACT
    assert (interference(W) >= 0).all()


@given(matrices, seeds)
def test_rotating_hidden_space_changes_nothing(W, seed):
    rotation = np.linalg.qr(np.random.default_rng(seed).normal(size=(len(W), len(W)))).Q
    np.testing.assert_allclose(dimensionality(rotation @ W), dimensionality(W), atol=EXACT)


@given(matrices, seeds)
def test_permuting_features_permutes_everything(W, seed):
    order = np.random.default_rng(seed).permutation(W.shape[1])
    for found, expected in zip(measure(W[:, order]), measure(W), strict=True):
        np.testing.assert_allclose(found, expected[order], rtol=EXACT, atol=EXACT)


@given(matrices, st.sampled_from([1e-150, 1e-30, 0.1, 1e30, 1e150]))
def test_scale_changes_norms_alone(W, scale):
    np.testing.assert_allclose(dimensionality(scale * W), dimensionality(W), atol=EXACT)
    np.testing.assert_allclose(norms(scale * W), scale * norms(W), rtol=EXACT)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])
def test_single_precision_at_scales_whose_squares_overflow(kind, scale):
    W = kind((scale * TETRAHEDRON).astype(np.float32))
    assert dimensionality(W).dtype == W.dtype
    np.testing.assert_allclose(dimensionality(W), 3 / 4, rtol=SINGLE)
    np.testing.assert_allclose(norms(W), scale, rtol=SINGLE)


@pytest.mark.parametrize("shape", [(4, 3), (4, 4), (4, 6), (5, 1), (1, 5)])
def test_leading_axes_are_batched_over(shape):
    W = np.random.default_rng(0).normal(size=(3, 2, *shape))
    for found, *expected in zip(measure(W), *(by_definition(each) for each in W.reshape(-1, *shape)), strict=True):
        assert found.shape == (3, 2, shape[1])
        np.testing.assert_allclose(found.reshape(6, -1), expected, rtol=EXACT, atol=EXACT)


@given(st.integers(1, 4), st.integers(1, 4), seeds)
def test_padding_hidden_space_with_zeros_changes_nothing(m, n, seed):
    # Padded to m >= n and m < n in turn, the same features go both ways of computing the overlaps.
    W = np.random.default_rng(seed).normal(size=(m, n))
    padded = np.vstack([W, np.zeros((n + 1, n))])
    for found, expected in zip(measure(padded), measure(W), strict=True):
        np.testing.assert_allclose(found, expected, rtol=EXACT, atol=EXACT)


@given(matrices)
def test_torch_agrees_with_numpy(W):
    for function in (dimensionality, norms, interference, gram):
        found = function(torch.from_numpy(W))
        assert isinstance(found, torch.Tensor)
        np.testing.assert_allclose(found.numpy(), function(W), rtol=EXACT, atol=EXACT)


@pytest.mark.parametrize("shape", [(3, 5), (5, 3)])
@pytest.mark.parametrize("function", [dimensionality, norms, interference])
def test_differentiable(function, shape):
    W = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(function, W)


@pytest.mark.parametrize("function", [dimensionality, interference])
def test_a_zero_column_leaves_the_gradient_finite(function):
    W = torch.tensor([[1.0, 1.0, 0.0], [1.0, -1.0, 0.0]], requires_grad=True)
    function(W).sum().backward()
    assert W.grad is not None
    assert W.grad.isfinite().all()


def test_interference_of_a_known_pair():
    # Two unit vectors at 60 degrees project cos² = 1/4 on each other; the third is alone.
    W = np.array([[1, 0.5, 0], [0, np.sqrt(3) / 2, 0], [0, 0, 2]])
    np.testing.assert_allclose(interference(W), [1 / 4, 1 / 4, 0], atol=EXACT)
    np.testing.assert_allclose(norms(W), [1, 1, 2], rtol=EXACT)
    np.testing.assert_allclose(gram(W), [[1, 0.5, 0], [0.5, 1, 0], [0, 0, 4]], atol=EXACT)


def test_interference_is_in_units_of_W_squared():
    np.testing.assert_allclose(interference([[3.0, -2.0]]), [4, 9], rtol=EXACT)


def test_lists_and_whole_numbers_are_matrices_too():
    np.testing.assert_allclose(dimensionality([[1, -1]]), [0.5, 0.5])


@pytest.mark.parametrize("kind", [list, np.array, torch.tensor])
@pytest.mark.parametrize("function", [dimensionality, norms, interference, gram, measure])
def test_one_axis_is_no_matrix(function, kind):
    with pytest.raises(ValueError, match=r"\(\.\.\., m, n\).*\(3,\)"):
        function(kind([1.0, 2.0, 3.0]))
