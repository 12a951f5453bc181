"""What comes back from sketches, against what was sketched: by a matrix of random signs, whose errors are known."""

import numpy as np
import pytest

from dyn.dynamics.geometry.sketches import sketched_components, sketched_cosines, sketched_norms

RNG = np.random.default_rng(3)
SIZES, BUCKETS = (400, 900), (64, 128)
PARTS = list(zip(BUCKETS, BUCKETS, strict=True))


def sketches(x: np.ndarray) -> np.ndarray:
    """Return the sketch of rows (T, 1300), each of the two parts by a draw of its own for each row."""
    parts = np.split(x, [SIZES[0]], axis=1)
    return np.concatenate(
        [
            np.einsum("tk,tkb->tb", part, RNG.choice([-1.0, 1.0], (len(x), part.shape[1], k)) / np.sqrt(k))
            for part, k in zip(parts, BUCKETS, strict=True)
        ],
        axis=1,
    )


def pairs(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the sketches of two vectors by the same draw, of many draws."""
    both = [[], []]
    for _ in range(300):
        signs = [RNG.choice([-1.0, 1.0], (size, k)) / np.sqrt(k) for size, k in zip(SIZES, BUCKETS, strict=True)]
        for target, vector in zip(both, (x, y), strict=True):
            first, second = np.split(vector, [SIZES[0]])
            target.append(np.concatenate([first @ signs[0], second @ signs[1]]))
    return np.array(both[0]), np.array(both[1])


@pytest.mark.parametrize("share", [1.0, 0.1])
def test_norms_have_the_error_that_is_stated(share):
    x = RNG.normal(size=sum(SIZES)) * np.repeat([share, 1.0], SIZES)
    found = sketched_norms(sketches(np.tile(x, (300, 1))), PARTS)
    off = found.value - np.linalg.norm(x)
    assert abs(off.mean()) < 0.2 * found.error.mean()
    # Three hundred draws know their spread to 4 %.
    assert off.std() == pytest.approx(found.error.mean(), rel=0.15)


@pytest.mark.parametrize("mix", [0.0, 0.5, 0.95])
def test_cosines_have_the_error_that_is_stated(mix):
    x, y = RNG.normal(size=(2, sum(SIZES)))
    y = mix * x + (1 - mix) * y
    exact = x @ y / np.linalg.norm(x) / np.linalg.norm(y)
    found = sketched_cosines(*pairs(x, y), PARTS)
    off = found.value - exact
    assert abs(off.mean()) < 0.3 * found.error.mean()
    assert off.std() == pytest.approx(found.error.mean(), rel=0.2)


def test_copies_have_no_error():
    x, y = RNG.normal(size=(2, 5, 7))
    parts = [(4, 0), (3, 0)]
    norms, cosines = sketched_norms(x, parts), sketched_cosines(x, y, parts)
    np.testing.assert_allclose(norms.value, np.linalg.norm(x, axis=1))
    np.testing.assert_allclose(cosines.value, (x * y).sum(1) / np.linalg.norm(x, axis=1) / np.linalg.norm(y, axis=1))
    assert not norms.error.any()
    assert not cosines.error.any()


def test_nothing_has_a_norm_and_no_cosine():
    nothing = np.zeros((2, 7))
    assert sketched_norms(nothing, [(7, 7)]).value.tolist() == [0, 0]
    assert sketched_norms(nothing, [(7, 7)]).error.tolist() == [0, 0]
    assert np.isnan(sketched_cosines(nothing, nothing + 1, [(7, 7)]).value).all()


def test_components_are_those_of_the_way():
    time = np.linspace(0, 3, 40)
    curves = np.stack([np.cos(time), 0.5 * np.sin(2 * time), 0.2 * np.cos(5 * time)], 1)
    way = curves @ RNG.normal(size=(3, sum(SIZES)))
    exact = np.linalg.eigvalsh((way - way.mean(0)) @ (way - way.mean(0)).T)[::-1]
    signs = [RNG.choice([-1.0, 1.0], (size, k)) / np.sqrt(k) for size, k in zip(SIZES, BUCKETS, strict=True)]
    S = np.concatenate([part @ each for part, each in zip(np.split(way, [SIZES[0]], axis=1), signs, strict=True)], 1)
    found = sketched_components(S, PARTS)
    # Four standard errors, of three shares.
    assert (np.abs(found.shares - exact[:3] / exact.sum()) < 4 * found.error + 1e-3).all()
    assert found.coordinates.shape == (40, 3)
    np.testing.assert_allclose((found.coordinates**2).sum(0) / (S - S.mean(0)).var(0).sum() / 40, found.shares)


def test_a_way_that_does_not_move_has_no_shares():
    found = sketched_components(np.ones((4, 7)), [(7, 7)])
    assert not found.shares.any()
    assert not found.error.any()
