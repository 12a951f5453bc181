"""Transformations of feature sets against planted ones."""

import numpy as np
import pytest

from dyn.dynamics.motion import angle_and_axis, transformation

# The precision asked for is 1e-6; well-conditioned sets leave some hundred roundings.
PLANTED = 1e-9


def orthogonal(rng, m, sign=1):
    """A random rotation, or with sign -1 a random rotation and a mirror."""
    Q = np.linalg.qr(rng.normal(size=(m, m))).Q
    Q[:, 0] *= sign * np.sign(np.linalg.det(Q))
    return Q


def about(axis, degrees):
    """The rotation about an axis of three-dimensional space, by Rodrigues' formula."""
    x, y, z = np.array(axis) / np.linalg.norm(axis)
    K = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(np.radians(degrees)) * K + (1 - np.cos(np.radians(degrees))) * K @ K


def well_conditioned(rng, m, n):
    """Features that span hidden space with singular values between 1 and 2."""
    U, _, V = np.linalg.svd(rng.normal(size=(m, n)), full_matrices=False)
    return U * rng.uniform(1, 2, size=m) @ V


@pytest.mark.parametrize("sign", [1, -1], ids=["rotation", "reflection"])
@pytest.mark.parametrize(("m", "n"), [(1, 3), (2, 2), (2, 5), (3, 3), (3, 6), (7, 20)])
def test_planted_similarities_are_recovered(m, n, sign):
    rng = np.random.default_rng(0)
    for _ in range(20):
        W, Q, scale = well_conditioned(rng, m, n), orthogonal(rng, m, sign), np.exp(rng.uniform(-3, 3))
        motion = transformation(W, scale * Q @ W)
        np.testing.assert_allclose(motion.rotation, Q, atol=PLANTED)
        assert motion.reflected == (sign < 0)
        assert motion.scale == pytest.approx(scale, rel=PLANTED)
        np.testing.assert_allclose(motion.stretches, 1, rtol=PLANTED)
        np.testing.assert_array_equal(motion.translation, 0)
        assert motion.residual < PLANTED


@pytest.mark.parametrize(("m", "n"), [(2, 3), (3, 3), (3, 6), (7, 20)])
def test_a_planted_shift_is_told_from_the_rest(m, n):
    rng = np.random.default_rng(1)
    for _ in range(20):
        W, Q, shift = well_conditioned(rng, m, n), orthogonal(rng, m), rng.normal(size=m)
        motion = transformation(W, 1.5 * Q @ W + shift[:, None])
        np.testing.assert_allclose(motion.rotation, Q, atol=PLANTED)
        np.testing.assert_allclose(motion.translation, shift, atol=PLANTED)
        assert motion.scale == pytest.approx(1.5, rel=PLANTED)
        assert motion.residual < PLANTED


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_planted_stretches_are_recovered_and_the_rotation_beside_them(shift):
    rng = np.random.default_rng(2)
    for _ in range(20):
        W, Q, axes = well_conditioned(rng, 3, 8), orthogonal(rng, 3), orthogonal(rng, 3)
        stretches = np.sort(rng.uniform(0.3, 3, size=3))[::-1]
        motion = transformation(W, Q @ axes * stretches @ axes.T @ W + shift)
        np.testing.assert_allclose(motion.rotation, Q, atol=PLANTED)
        np.testing.assert_allclose(motion.scale * motion.stretches, stretches, rtol=PLANTED)
        # The scale is their root mean square, so what is relative to it has the mean square 1.
        assert np.square(motion.stretches).mean() == pytest.approx(1, rel=PLANTED)
        np.testing.assert_allclose(motion.translation, shift, atol=PLANTED)


@pytest.mark.parametrize("degrees", [0.001, 38.0, 90.0, 179.0])
def test_angle_and_axis_in_three_dimensions(degrees):
    axis = np.array([2.0, -1.0, 2.0]) / 3
    motion = transformation(np.eye(3), about(axis, degrees))
    assert motion.angle == pytest.approx(degrees, rel=1e-6)
    assert motion.axis is not None
    # The axis is as good as the angle is large: rounding over the smallest angle, 1e-16 / 2e-5.
    np.testing.assert_allclose(motion.axis, axis, atol=1e-9)
    assert not motion.reflected


def test_half_a_turn_has_an_axis_up_to_its_sign():
    angle, axis = angle_and_axis(about([0, 1, 1], 180))
    assert angle == pytest.approx(180)
    assert axis is not None
    np.testing.assert_allclose(np.abs(axis), np.array([0, 1, 1]) / np.sqrt(2), atol=PLANTED)


def test_a_mirror_does_not_turn():
    motion = transformation(np.eye(3), np.diag([1.0, 1.0, -1.0]))
    assert (motion.angle, motion.reflected, motion.axis) == (0, True, None)


def test_in_many_dimensions_the_angle_is_the_largest():
    W = np.eye(4)
    turned = W.copy()
    for plane, degrees in (((0, 1), 20), ((2, 3), 50)):
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        turned[np.ix_(plane, plane)] = [[c, -s], [s, c]]
    motion = transformation(W, turned)
    assert motion.angle == pytest.approx(50)
    assert motion.axis is None


def test_a_merged_set_turns_no_further_than_its_direction():
    # Three features in one direction, turned by 40 degrees; nothing says what happens around that direction.
    direction = np.array([1.0, 0.0, 0.0])
    W0 = np.outer(direction, [1.0, 1.0, 1.0])
    motion = transformation(W0, 2 * about([0, 0, 1], 40) @ W0)
    np.testing.assert_allclose(motion.rotation, about([0, 0, 1], 40), atol=PLANTED)
    assert motion.angle == pytest.approx(40)
    assert motion.scale == pytest.approx(2)
    assert motion.stretches.shape == (1,)
    assert motion.residual < PLANTED


def test_a_plane_set_turns_no_further_than_its_plane():
    angles = 2 * np.pi * np.arange(3) / 3
    triangle = np.stack([np.cos(angles), np.sin(angles), np.zeros(3)])
    turn = about([1, 0, 0], 25) @ about([0, 0, 1], 30)
    motion = transformation(triangle, turn @ triangle)
    np.testing.assert_allclose(motion.rotation, turn, atol=PLANTED)
    assert not motion.reflected


def test_what_opens_is_left_to_the_residual():
    # From one direction no map gives three: the best is the mean, and each feature is √(2/3) off, of 1.
    W0 = np.tile(np.full((3, 1), 1 / np.sqrt(3)), 3)
    motion = transformation(W0, np.eye(3))
    assert motion.residual == pytest.approx(np.sqrt(2 / 3), rel=PLANTED)
    assert motion.angle == pytest.approx(0, abs=1e-6)


def test_flat_leaves_noise_out_of_a_merged_set():
    rng = np.random.default_rng(3)
    W0 = np.outer([1.0, 0.0, 0.0], [1.0, 1.0, 1.0]) + 0.01 * rng.normal(size=(3, 3))
    W1 = about([0, 0, 1], 40) @ np.outer([1.0, 0.0, 0.0], [1.0, 1.0, 1.0]) + 0.01 * rng.normal(size=(3, 3))
    motion = transformation(W0, W1, flat=0.1)
    # The direction of the mean of three is known to 0.01 / √3 in either, some half degree in all; five times that.
    assert motion.angle == pytest.approx(40, abs=2.5)
    assert motion.scale == pytest.approx(1, abs=0.05)


def test_only_the_features_asked_for_count():
    rng = np.random.default_rng(4)
    W0, Q = well_conditioned(rng, 3, 9), orthogonal(rng, 3)
    W1 = rng.normal(size=(3, 9))
    W1[:, [1, 4, 5, 8]] = Q @ W0[:, [1, 4, 5, 8]]
    motion = transformation(W0, W1, features=[1, 4, 5, 8])
    np.testing.assert_allclose(motion.rotation, Q, atol=1e-6)
    assert motion.features == (1, 4, 5, 8)
    assert transformation(W0, W1).residual > 0.1


def test_noise_is_residual():
    rng = np.random.default_rng(5)
    W0, Q = well_conditioned(rng, 3, 400), orthogonal(rng, 3)
    noise = rng.normal(size=W0.shape)
    noise *= 0.03 * np.linalg.norm(W0) / np.linalg.norm(noise)
    motion = transformation(W0, Q @ W0 + noise)
    # A linear map takes 9 of 1200 numbers from the noise, less than 1 %.
    assert motion.residual == pytest.approx(0.03, rel=0.02)
    # Each entry of the rotation is off by about 0.03 / 20 = 0.0015; five times that.
    np.testing.assert_allclose(motion.rotation, Q, atol=0.008)


@pytest.mark.parametrize(("W0", "W1"), [(np.eye(2), np.zeros((2, 2))), (np.zeros((2, 2)), np.zeros((2, 2)))])
def test_what_vanishes_does_not_turn(W0, W1):
    motion = transformation(W0, W1)
    np.testing.assert_array_equal(motion.rotation, np.eye(2))
    assert (motion.angle, motion.reflected, motion.residual) == (0, False, 0)


def test_what_does_not_move_is_at_rest():
    W = np.random.default_rng(6).normal(size=(4, 7))
    motion = transformation(W, W)
    assert motion.angle == pytest.approx(0, abs=1e-6)
    assert motion.scale == pytest.approx(1, rel=PLANTED)
    assert motion.residual < PLANTED


def test_shapes_must_be_the_same():
    with pytest.raises(ValueError, match=r"same shape.*\(3, 4\).*\(3, 5\)"):
        transformation(np.ones((3, 4)), np.ones((3, 5)))
    with pytest.raises(ValueError, match="same shape"):
        transformation(np.ones(3), np.ones(3))


def test_a_diverged_row_is_refused():
    with pytest.raises(ValueError, match="not finite"):
        transformation(np.eye(2), np.full((2, 2), np.nan))


@pytest.mark.parametrize("features", [[], [2], [-1]])
def test_features_must_be_there(features):
    with pytest.raises(ValueError, match="one or more of the 2 features"):
        transformation(np.eye(2), np.eye(2), features=features)
