"""Sketches: linear, right on the average, and as exact as they say, for what is spread out and for what is not."""

import os

import numpy as np
import pytest
import torch

from dyn.recorders.model import sketches
from dyn.recorders.model.sketches import FEWEST, Projection, bucket_counts, norm_of

M, N, K = 256, 384, 251


@pytest.fixture(params=["in C", "in torch"])
def ways(request, monkeypatch) -> None:
    """Have sketches made by the extension, and without it."""
    if request.param == "in torch":
        monkeypatch.setattr(sketches, "folding", None)


def sketch_of(projection: Projection, x: torch.Tensor) -> torch.Tensor:
    out = np.empty(projection.buckets, np.float32)
    projection.of(x, out)
    return torch.from_numpy(out)


def norm_by(projection: Projection, x: torch.Tensor) -> float:
    return projection.of(x, np.empty(projection.buckets, np.float32))


def ratios(x: torch.Tensor, k: int = K, count: int = 60) -> np.ndarray:
    """Return |S x|² / |x|² - 1 of so many sketches, drawn by other names."""
    flat = x.reshape(-1)
    found = [sketch_of(Projection(f"w{j}", flat.numel(), k), flat).double().square().sum() for j in range(count)]
    return np.array(found) / float(flat.double().square().sum()) - 1


def matrix(kind: str) -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    W = torch.zeros(M, N)
    if kind == "normal":
        return torch.randn(M, N, generator=generator)
    if kind == "rank one, positive":
        return torch.rand(M, 1, generator=generator) * torch.rand(1, N, generator=generator)
    if kind == "a column":
        W[:, 7] = torch.randn(M, generator=generator)
    if kind == "a row":
        W[9] = torch.randn(N, generator=generator)
    if kind == "twenty elements":
        W.view(-1)[torch.randperm(M * N, generator=generator)[:20]] = 1.0
    return W


@pytest.mark.parametrize("kind", ["normal", "rank one, positive", "a column", "a row", "twenty elements"])
def test_squared_lengths_are_right_to_the_error_that_is_stated(kind):
    found = ratios(matrix(kind))
    expected = np.sqrt(2 / K)
    # Sixty draws know their own spread to a tenth; the sketches of one table are not quite independent of each other.
    assert np.sqrt(np.mean(found**2)) < 1.35 * expected
    assert abs(found.mean()) < 0.5 * expected


def test_the_stated_error_is_not_larger_than_needed():
    assert np.sqrt(np.mean(ratios(matrix("normal")) ** 2)) > 0.7 * np.sqrt(2 / K)


def test_a_single_element_keeps_its_length():
    x = torch.zeros(M * N)
    x[12345] = -3.0
    projection = Projection("w", M * N, K)
    assert float(sketch_of(projection, x).norm()) == norm_by(projection, x) == 3.0


def test_a_sketch_is_linear():
    one, other = torch.randn(2, 50_000, generator=torch.Generator().manual_seed(1))
    projection = Projection("w", 50_000, 97)
    expected = 2 * sketch_of(projection, one) - sketch_of(projection, other)
    # Sums of some five hundred numbers near 1, in single precision.
    torch.testing.assert_close(sketch_of(projection, 2 * one - other), expected, rtol=1e-4, atol=1e-3)


def test_a_sketch_depends_on_the_name_and_nothing_else():
    x = torch.randn(40_000, generator=torch.Generator().manual_seed(2))
    state = torch.get_rng_state()
    first = sketch_of(Projection("w", 40_000, 97), x)
    sketch_of(Projection("other", 1000, 31), x[:1000])
    assert torch.equal(first, sketch_of(Projection("w", 40_000, 97), x))
    assert not torch.equal(first, sketch_of(Projection("v", 40_000, 97), x))
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.usefixtures("ways")
def test_what_older_recordings_hold_is_found_again():
    # Of seven runs, some of which are turned.
    x = torch.arange(200_000.0) % 7
    assert sketch_of(Projection("w", 200_000, 97), x)[:4].tolist() == KNOWN


KNOWN = [75.0, -118.0, 185.0, 0.0]


def test_what_is_small_is_a_copy():
    counts = bucket_counts({"W": (1000, 100), "b": (FEWEST,), "c": (200,)})
    assert counts["b"] == FEWEST
    assert 31 <= counts["c"] <= 60
    x = torch.randn(FEWEST, dtype=torch.float64)
    assert torch.equal(sketch_of(Projection("b", FEWEST, FEWEST), x), x.float())


def test_buckets_go_by_size_and_divide_no_axis():
    counts = bucket_counts({"W": (1000, 100), "V": (1000, 300), "b": (10_000,)})
    assert counts["V"] / counts["W"] == pytest.approx(3, rel=0.03)
    assert all(size % counts[name] for name, shape in {"W": (1000, 100), "V": (1000, 300)}.items() for size in shape)
    # Large models stay within it, small ones are kept whole.
    assert sum(counts.values()) < 1.02 * 8192
    assert bucket_counts({"W": (20, 20)}) == {"W": 400}
    assert bucket_counts({}) == {}


@pytest.mark.usefixtures("ways")
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_other_dtypes_are_taken(dtype):
    x = torch.randn(5000, generator=torch.Generator().manual_seed(3)).to(dtype)
    projection = Projection("w", 5000, 97)
    torch.testing.assert_close(sketch_of(projection, x), sketch_of(projection, x.float()), rtol=1e-5, atol=1e-5)
    assert norm_by(projection, x) == pytest.approx(float(x.double().norm()), rel=1e-5)


@pytest.mark.parametrize("scale", [1e-25, 1.0, 1e25])
def test_norms_have_a_place_whatever_their_size(scale):
    x = scale * torch.randn(40_000, generator=torch.Generator().manual_seed(4))
    assert norm_by(Projection("w", 40_000, 97), x) == pytest.approx(float(x.double().norm()), rel=1e-4)


def _skip_without_extension() -> None:
    if sketches.folding is None:
        assert "CI" not in os.environ, "the extension recorders/model/_folding.c was not built"
        pytest.skip("the extension in C was not built")


@pytest.mark.parametrize("size", [98, 2**15, 2**15 + 1, 100_003])
def test_both_ways_do_the_same(monkeypatch, size):
    _skip_without_extension()
    x = torch.randn(size, generator=torch.Generator().manual_seed(size))
    projection = Projection("w", size, 97)
    quick, norm, of_gradient = sketch_of(projection, x), norm_by(projection, x), norm_of(x)
    monkeypatch.setattr(sketches, "folding", None)
    torch.testing.assert_close(quick, sketch_of(projection, x), rtol=1e-4, atol=1e-4)
    assert norm == pytest.approx(norm_by(projection, x), rel=1e-5)
    assert norm == pytest.approx(of_gradient, rel=1e-6)


def test_what_does_not_fit_is_not_written_to():
    _skip_without_extension()
    fold = sketches.folding.fold
    x, signs, room = torch.ones(10).numpy(), torch.ones(4).numpy(), torch.zeros(3).numpy()
    runs = torch.tensor([[0, 0, 1], [0, 0, 1], [0, 0, 1]]).numpy()
    assert fold(x, signs, runs, 4, room) == 10
    for wrong in (runs[:2], runs + 1, runs - 1, runs + torch.tensor([0, 3, 0]).numpy()):
        with pytest.raises(ValueError, match="runs"):
            fold(x, signs, wrong.copy(), 4, room)
