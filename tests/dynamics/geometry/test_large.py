"""Spectra of large matrices: exact ones are those of a decomposition, randomised ones within the error they state."""

import numpy as np
import pytest
import torch

from dyn.dynamics.geometry import dimensionality, effective_rank, singular_values
from dyn.dynamics.geometry.large import spectrum


def matrix(m: int, n: int, *, decay: float = 0.0) -> torch.Tensor:
    """Return a random matrix whose columns shrink by so much."""
    generator = torch.Generator().manual_seed(m + n)
    return torch.randn(m, n, generator=generator) * torch.exp(-decay * torch.arange(n) / n)


@pytest.mark.parametrize("shape", [(40, 70), (70, 40), (50, 50), (1, 9)])
def test_small_ones_are_exact(shape):
    W = matrix(*shape, decay=3.0)
    found = spectrum(W, count=16)
    whole = W.numpy()
    # The Gram matrix in single precision knows a singular value to 3e-4 of the largest.
    exact = singular_values(whole[None])[0]
    np.testing.assert_allclose(found.singular_values, exact[:16], atol=5e-4 * exact[0])
    np.testing.assert_allclose(found.effective_rank, effective_rank(whole[None])[0], rtol=2e-3)
    np.testing.assert_allclose(found.dimensionality, dimensionality(whole), rtol=1e-4)


@pytest.mark.parametrize("shape", [(300, 500), (500, 300)])
@pytest.mark.parametrize("decay", [0.0, 4.0])
def test_randomised_ones_are_within_their_error(shape, decay):
    W = matrix(*shape, decay=decay)
    found = spectrum(W, count=16, exact=0)
    exact = singular_values(W.numpy()[None])[0]
    # From below, and without a gap to the rest of a flat spectrum by some per cent.
    assert (found.singular_values.numpy() <= 1.0001 * exact[:16]).all()
    np.testing.assert_allclose(found.singular_values, exact[:16], rtol=0.08)
    np.testing.assert_allclose(found.effective_rank, effective_rank(W.numpy()[None])[0], rtol=0.02)
    ratio = found.dimensionality.numpy() / dimensionality(W.numpy())
    assert np.sqrt(np.mean((ratio - 1) ** 2)) < 1.3 * 0.125


def test_features_that_are_nothing_have_no_dimension():
    W = matrix(20, 10)
    W[:, 3] = 0
    assert spectrum(W, count=3).dimensionality[3] == 0
    nothing = spectrum(torch.zeros(5, 4), count=2)
    assert nothing.effective_rank == 0
    assert not nothing.singular_values.any()


def test_nothing_is_drawn_from_the_global_generator():
    state = torch.get_rng_state()
    spectrum(matrix(30, 20), count=4, exact=0)
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("W", [torch.zeros(3), torch.full((2, 2), torch.nan), torch.zeros(0, 3)])
def test_what_has_no_spectrum_is_refused(W):
    with pytest.raises(ValueError, match="W"):
        spectrum(W, count=2)
