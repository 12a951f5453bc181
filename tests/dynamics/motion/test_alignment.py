"""Alignment against planted rotations and permutations."""

import numpy as np
import pytest

from dyn.dynamics.motion.alignment import align_runs, align_steps, procrustes

# Some hundred roundings of double precision.
EXACT = 1e-10


def orthogonal(rng, m):
    return np.linalg.qr(rng.normal(size=(m, m))).Q


def test_procrustes_recovers_what_was_planted_batch_by_batch():
    rng = np.random.default_rng(0)
    W = rng.normal(size=(5, 3, 7))
    planted = np.stack([orthogonal(rng, 3) for _ in range(5)])
    np.testing.assert_allclose(procrustes(W, planted @ W), planted, atol=EXACT)


def test_no_other_rotation_is_nearer():
    rng = np.random.default_rng(1)
    W0, W1 = rng.normal(size=(2, 3, 5))
    best = np.linalg.norm(W1 - procrustes(W0, W1) @ W0)
    assert all(np.linalg.norm(W1 - orthogonal(rng, 3) @ W0) >= best for _ in range(500))


def test_a_run_that_only_turns_stands_still_when_aligned():
    rng = np.random.default_rng(2)
    W = rng.normal(size=(3, 6))
    run = np.stack([W, *(orthogonal(rng, 3) @ W for _ in range(20))])
    np.testing.assert_allclose(align_steps(run), np.broadcast_to(W, run.shape), atol=EXACT)


def test_aligned_steps_keep_the_geometry():
    run = np.cumsum(0.1 * np.random.default_rng(3).normal(size=(50, 3, 6)), axis=0)
    aligned = align_steps(run)
    np.testing.assert_allclose(aligned.mT @ aligned, run.mT @ run, atol=EXACT)
    np.testing.assert_array_equal(aligned[0], run[0])
    assert np.linalg.norm(np.diff(aligned, axis=0)) <= np.linalg.norm(np.diff(run, axis=0))


@pytest.mark.parametrize(("m", "n"), [(2, 5), (3, 6), (5, 10), (10, 40)])
def test_runs_are_matched_through_rotation_permutation_and_noise(m, n):
    rng = np.random.default_rng(4)
    for _ in range(10):
        W, Q, order = rng.normal(size=(m, n)), orthogonal(rng, m), rng.permutation(n)
        # Noise of a thousandth: random features are further apart than that.
        noise = 0.001 * rng.normal(size=(m, n))
        found = align_runs(W, Q @ W[:, order] + noise)
        np.testing.assert_array_equal(found.permutation, order)
        np.testing.assert_allclose(found.rotation, Q, atol=0.01)
        # The nearest alignment is no further than the planted one.
        assert found.residual <= np.linalg.norm(noise) / np.linalg.norm(Q @ W[:, order] + noise)


def test_a_symmetric_polytope_is_brought_onto_itself():
    # An octahedron's features all have the same cosines, so only the starts break the tie.
    rng = np.random.default_rng(5)
    octahedron = np.hstack([np.eye(3), -np.eye(3)])
    for _ in range(20):
        found = align_runs(octahedron, orthogonal(rng, 3) @ octahedron[:, rng.permutation(6)])
        assert found.residual < EXACT
        np.testing.assert_array_equal(np.sort(found.permutation), np.arange(6))


def test_the_same_seed_gives_the_same_alignment():
    W0, W1 = np.random.default_rng(6).normal(size=(2, 3, 8))
    one, other = align_runs(W0, W1, seed=7), align_runs(W0, W1, seed=7)
    np.testing.assert_array_equal(one.permutation, other.permutation)
    assert one.residual == other.residual
    # More starts can only be nearer.
    assert align_runs(W0, W1, starts=50).residual <= align_runs(W0, W1, starts=1).residual


def test_nothing_is_aligned_with_nothing():
    assert align_runs(np.zeros((2, 3)), np.zeros((2, 3))).residual == 0


def test_wrong_shapes_are_named():
    with pytest.raises(ValueError, match=r"same shape.*\(2, 3\).*\(2, 4\)"):
        procrustes(np.ones((2, 3)), np.ones((2, 4)))
    with pytest.raises(ValueError, match=r"same shape.*\(2, 3\).*\(3, 3\)"):
        align_runs(np.ones((2, 3)), np.ones((3, 3)))
    with pytest.raises(ValueError, match=r"\(T, m, n\).*\(2, 3\)"):
        align_steps(np.ones((2, 3)))
    with pytest.raises(ValueError, match="starts=0"):
        align_runs(np.eye(2), np.eye(2), starts=0)
