"""Singular values and dimensionality of one large matrix, in little memory beside it: exact, or with a stated error.

W has shape (m, n), a torch tensor, with a feature in each column. Where min(m, n) is at most 1024 all is exact to the
rounding of the Gram matrix (single precision: singular values below 3e-4 of the largest are noise). Beyond, it takes a
fixed number of products with W.
"""

from typing import NamedTuple

import torch
from torch import Tensor

# Matrices whose smaller side has at most so many rows are decomposed as they are.
EXACT = 1024
# Of randomised ones: Lanczos steps and starts, directions for the largest singular values and for the overlaps.
_STEPS, _STARTS, _MORE, _ROUNDS, _DIRECTIONS = 30, 6, 16, 4, 128
# Of a product that is as large as the matrix so many elements are held at a time.
_PART = 2**20


class Spectrum(NamedTuple):
    """The largest singular values (k,), the effective rank, and D (n,) of each column, all float32."""

    singular_values: Tensor
    effective_rank: Tensor
    dimensionality: Tensor


def spectrum(W: Tensor, *, count: int, exact: int = EXACT) -> Spectrum:
    """Return the *count* largest singular values, the effective rank and the dimensionality of a matrix.

    effective rank = exp(-Σ_k p_k ln p_k) with p_k = σ_k / Σ_j σ_j, and D_i = |W_i|⁴ / Σ_j (W_i · W_j)². Where
    min(m, n) > *exact* the sums over σ are estimated by Lanczos quadrature (a few parts in a thousand of the rank),
    the largest singular values by subspace iteration (from below), the sums of overlaps by projection (D to a relative
    error of √(2/128) = 0.125 for each feature). Nothing is drawn from the global generator.

    Shapes: W (m, n). Raises ValueError for other shapes and for what is not finite.
    Sources: Roy and Vetterli 2007; Ubaru, Chen and Saad, "Fast estimation of tr(f(A)) via stochastic Lanczos
    quadrature", 2017; Halko, Martinsson and Tropp, arXiv 0909.4061, algorithm 4.4.
    """
    if W.ndim != 2 or not W.numel():
        raise ValueError(f"W must have shape (m, n), got {tuple(W.shape)}")
    squares = torch.linalg.vector_norm(W, dim=0).square()
    if not torch.isfinite(squares).all():
        raise ValueError("W holds numbers that are not finite")
    if min(W.shape) <= exact:
        return _exact(W, squares, count)
    generator = torch.Generator(W.device).manual_seed(0)
    return Spectrum(
        _largest(W, count, generator), _estimated_rank(W, generator), _ratio(squares, _estimated(W, generator))
    )


def _exact(W: Tensor, squares: Tensor, count: int) -> Spectrum:
    m, n = W.shape
    gram = W.T @ W if n < m else W @ W.T
    sigma = torch.linalg.eigvalsh(gram).flip(0).clamp_(min=0).sqrt_()
    if n < m:
        overlaps = gram.square_().sum(0)
    else:
        parts = W.split(max(1, _PART // m), dim=1)
        overlaps = torch.cat([((gram @ part) * part).sum(0) for part in parts])
    return Spectrum(sigma[:count], _entropy_rank(sigma, torch.ones_like(sigma)), _ratio(squares, overlaps))


def _ratio(squares: Tensor, overlaps: Tensor) -> Tensor:
    return torch.where(overlaps > 0, squares.square() / overlaps, 0.0)


def _entropy_rank(sigma: Tensor, weights: Tensor) -> Tensor:
    """Return exp(-Σ w p ln p), p = σ / Σ w σ; 0 where there is nothing."""
    total = (weights * sigma).sum()
    if not total > 0:
        return torch.zeros_like(total)
    shares = sigma / total
    return torch.exp(-(weights * torch.xlogy(shares, shares)).sum())


def _largest(W: Tensor, count: int, generator: torch.Generator) -> Tensor:
    start = torch.randn(W.shape[1], count + _MORE, generator=generator, device=W.device)
    for _ in range(_ROUNDS):
        start = W.T @ torch.linalg.qr(W @ start).Q
        start = torch.linalg.qr(start).Q
    return torch.linalg.svdvals(W @ start)[:count]


def _estimated_rank(W: Tensor, generator: torch.Generator) -> Tensor:
    """Return the effective rank from the nodes and weights of a few Lanczos runs on the smaller of W Wᵀ and Wᵀ W."""
    if W.shape[1] > W.shape[0]:
        W = W.T
    n = W.shape[1]
    signs = 1.0 - 2.0 * torch.randint(0, 2, (n, _STARTS), generator=generator, device=W.device)
    nodes, weights = _lanczos(W, signs / n**0.5)
    return _entropy_rank(nodes.clamp(min=0).sqrt().flatten(), (weights * n / _STARTS).flatten())


def _lanczos(W: Tensor, start: Tensor) -> tuple[Tensor, Tensor]:
    """Return Ritz values (starts, steps) of Wᵀ W and their weights, which are 1 in sum for each start."""
    basis, alpha, beta = [start], [], []
    for k in range(_STEPS):
        new = W.T @ (W @ basis[-1])
        alpha.append((new * basis[-1]).sum(0))
        # Against all before, twice, or rounding brings converged directions back.
        for _ in range(2):
            for each in basis:
                new = new - each * (each * new).sum(0)
        length = torch.linalg.vector_norm(new, dim=0)
        if k + 1 < _STEPS:
            beta.append(length)
            basis.append(new / length.clamp(min=torch.finfo(new.dtype).tiny))
    T = torch.diag_embed(torch.stack(alpha, 1)) + _beside(torch.stack(beta, 1))
    nodes, vectors = torch.linalg.eigh(T)
    return nodes, vectors[:, 0].square()


def _beside(beta: Tensor) -> Tensor:
    return torch.diag_embed(beta, 1) + torch.diag_embed(beta, -1)


def _estimated(W: Tensor, generator: torch.Generator) -> Tensor:
    """Return Σ_j (W_i · W_j)² = |Wᵀ W_i|² by a projection of Wᵀ W_i to few numbers."""
    seen = torch.randn(W.shape[1], _DIRECTIONS, generator=generator, device=W.device) / _DIRECTIONS**0.5
    image = W @ seen
    return torch.cat([(image.T @ part).square().sum(0) for part in W.split(max(1, _PART // len(W)), dim=1)])
