"""Regimes of planted runs: two merged triples that grow, open to triads and twist into an octahedron."""

import numpy as np
import pytest

from dyn.dynamics.motion.regimes import find_regimes
from dyn.dynamics.motion.words import describe

ROWS = 8_000
# When the planted ramps begin and end.
GROWTH, OPENING, TWIST = (0, 120), (700, 1_900), (1_500, 4_500)
TWIST_ANGLE = 90
SETS = [(0, 1, 2), (3, 4, 5)]


def ramp(begin, end, rows=ROWS):
    """From 0 to 1, smoothly, between two rows."""
    done = np.clip((np.arange(rows) - begin) / (end - begin), 0, 1)
    return (1 - np.cos(np.pi * done)) / 2


def about(axis, degrees):
    """Rotations about an axis of three-dimensional space, by Rodrigues' formula; (T,) degrees -> (T, 3, 3)."""
    x, y, z = np.array(axis) / np.linalg.norm(axis)
    K = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.radians(np.atleast_1d(degrees))[:, None, None]
    return np.eye(3) + np.sin(angle) * K + (1 - np.cos(angle)) * K @ K


def planted_run(noise=0.01, seed=0):
    """W (T, 3, 6): each set is one direction that opens to a triad; the second one is turned against the first."""
    size = 0.01 + 0.99 * ramp(*GROWTH)
    opening = ramp(*OPENING)[:, None, None]
    merged = np.full((3, 3), 1 / 3)
    set_ = size[:, None, None] * (merged + opening * (np.eye(3) - merged))
    other = -about([1, -1, 0], TWIST_ANGLE * (1 - ramp(*TWIST))) @ set_
    W = np.concatenate([set_, other], axis=2)
    return W + noise * np.random.default_rng(seed).normal(size=W.shape)


@pytest.fixture(scope="module")
def run():
    return planted_run()


def kinds(found):
    return [regime.kind for regime in found]


def test_the_regimes_of_the_geometry_experiment_are_told_apart(run):
    found = find_regimes(run, sets=SETS)
    assert kinds(found) == ["growth", "rest", "opening", "twist", "rest"]
    growth, merged, opening, twist, octahedron = found
    # A regime is told from 5 % to 95 % of its change, which lie within the planted ramp, on either side of its middle.
    assert growth.end < 200
    assert OPENING[0] <= opening.start <= np.mean(OPENING) <= opening.end <= OPENING[1]
    assert opening.end < twist.start <= np.mean(TWIST) <= twist.end <= TWIST[1]
    assert growth.form == "2 × merged"
    assert [change.form for change in merged.changes] == [("merged", "merged")] * 2
    for change in opening.changes:
        # 5 % of the Gram matrix's change is √0.05 of the way: two of the singular values are 0.22 of the third.
        assert change.dimensions == pytest.approx((1.2, 3), abs=0.1)
    # The twist begins while the sets open; what is left of it then, but for the last 5 %, and three degrees of noise.
    left = TWIST_ANGLE * (1 - ramp(*TWIST)[twist.start])
    assert 0.9 * left - 3 <= twist.twist <= left + 3
    for change in twist.changes:
        assert change.motion.scale == pytest.approx(1, abs=0.05)
        assert not change.motion.reflected
    assert octahedron.form == "octahedron (3 digons)"
    assert octahedron.twist < 5


def test_regimes_leave_no_gaps(run):
    found = find_regimes(run, sets=SETS)
    assert (found[0].start, found[-1].end) == (0, ROWS - 1)
    assert [later.start for later in found[1:]] == [earlier.end + 1 for earlier in found[:-1]]


def test_sets_are_found_where_none_are_given(run):
    assert [change.features for change in find_regimes(run)[0].changes] == SETS


def test_turning_all_features_together_changes_no_regime(run):
    turning = about([0, 1, 2], np.linspace(0, 400, ROWS)) @ run
    assert kinds(find_regimes(turning, sets=SETS)) == kinds(find_regimes(run, sets=SETS))


def test_the_size_of_W_and_the_order_of_its_features_change_no_regime(run):
    order = np.array([4, 2, 0, 5, 1, 3])
    places = np.argsort(order)
    sets = [tuple(places[list(set_)].tolist()) for set_ in SETS]
    assert kinds(find_regimes(1e-3 * run[:, :, order], sets=sets)) == kinds(find_regimes(run, sets=SETS))


def test_steps_are_those_of_the_rows(run):
    found, plain = find_regimes(run, step=10 * np.arange(ROWS) + 5, sets=SETS), find_regimes(run, sets=SETS)
    assert [regime.start for regime in found] == [10 * regime.start + 5 for regime in plain]
    assert [regime.end for regime in found] == [10 * regime.end + 5 for regime in plain]


def test_closing_is_opening_backwards(run):
    assert kinds(find_regimes(run[4_000:400:-1], sets=SETS)).count("closing") == 1


@pytest.mark.parametrize("seed", range(5))
def test_noise_alone_is_rest(seed):
    rng = np.random.default_rng(seed)
    # A tenth of the features' length, each row for itself.
    W = np.hstack([np.eye(3), -np.eye(3)]) + 0.1 * rng.normal(size=(2_000, 3, 6)) / np.sqrt(3)
    assert kinds(find_regimes(W, np.ones(2_000), sets=SETS)) == ["rest"]


def test_a_twist_as_slow_as_the_run_is_one():
    triad = np.eye(3)
    turning = about([1, -1, 0], TWIST_ANGLE * np.sqrt(np.arange(2_000) / 2_000)) @ -triad
    W = np.concatenate([np.broadcast_to(triad, turning.shape), turning], axis=2)
    (twist,) = [regime for regime in find_regimes(W, sets=SETS) if regime.kind == "twist"]
    # All but 5 % of it at either end.
    assert twist.twist == pytest.approx(0.9 * TWIST_ANGLE, abs=0.05 * TWIST_ANGLE)


def test_a_loss_that_falls_while_the_features_rest_is_settling():
    W = np.broadcast_to(np.hstack([np.eye(3), -np.eye(3)]), (2_000, 3, 6))
    loss = np.exp(-3 * ramp(500, 1_500, 2_000))
    # A recording has no loss in its last row, and may miss some.
    loss[[3, 700, -1]] = np.nan
    found = find_regimes(W, loss, sets=SETS)
    assert kinds(found) == ["rest", "settling", "rest"]
    assert found[1].loss is not None
    # 5 % of the change are left out at either end, of 3 in the logarithm.
    np.testing.assert_allclose(np.log(found[1].loss), [0, -3], atol=0.4)


@pytest.mark.parametrize("loss", [None, np.full(50, np.nan), np.zeros(50)])
def test_a_loss_that_tells_nothing_does_no_harm(loss):
    W = np.broadcast_to(np.eye(2), (50, 2, 2))
    assert kinds(find_regimes(W, loss)) == ["rest"]


def test_three_rows_and_one_feature_are_enough():
    assert len(find_regimes(np.ones((3, 1, 1)))) == 1
    assert len(find_regimes(np.zeros((3, 2, 2)))) == 1


def test_a_regime_is_told_in_words(run):
    found = find_regimes(run, np.linspace(0.0200, 0.0199, ROWS), sets=SETS)
    growth, merged, opening, twist, octahedron = map(describe, found)
    assert growth.startswith("steps 0-")
    assert "growth: features 0-2 grow" in growth
    assert "features 0-2 shrink" in describe(find_regimes(run[: ROWS // 5][::-1], sets=SETS)[-1])
    assert "features 3-5 stay merged" in merged
    assert "features 0-2 span 1.2 → 3.0 dimensions (merged → 3 × orthogonal)" in opening
    assert "the sets turn" in twist
    assert "at the end octahedron (3 digons); loss 0.0199 → 0.0199" in octahedron


def test_of_one_feature_the_words_are_in_the_singular():
    W = np.concatenate([np.geomspace(0.1, 1, 200), np.ones(200)])[:, None, None]
    told = "; ".join(map(describe, find_regimes(W)))
    assert "feature 0 spans 1.0" in told
    assert "feature 0 stays dedicated" in told


def test_a_feature_that_shares_its_dimension_is_not_dedicated():
    # By itself each would have one; the two sets are of one digon.
    W = np.broadcast_to(np.array([[1.0, -1, 0], [0, 0, 1]]), (50, 2, 3))
    (told,) = map(describe, find_regimes(W, sets=[[0], [1], [2]]))
    assert "features 0, 1 stay alone; feature 2 stays dedicated; at the end digon, dedicated" in told


def test_features_that_stay_the_same_are_told_together():
    # Two with a dimension each, a pair that shares one, at rest.
    W = np.broadcast_to(np.array([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, -1]]), (50, 3, 4))
    (told,) = map(describe, find_regimes(W, sets=[[0], [2, 3], [1]]))
    assert told.startswith("steps 0-49, rest: features 0, 1 stay dedicated; features 2, 3 stay digon; at the end ")


@pytest.mark.parametrize("shape", [(6, 3), (2, 3, 6), (4, 4, 3, 6)])
def test_a_run_is_asked_for(shape):
    with pytest.raises(ValueError, match=r"\(T, m, n\)"):
        find_regimes(np.ones(shape))


def test_loss_and_step_must_fit_the_rows():
    with pytest.raises(ValueError, match=r"loss must have shape \(5,\)"):
        find_regimes(np.ones((5, 2, 2)), np.ones(4))
    with pytest.raises(ValueError, match=r"step must have shape \(5,\)"):
        find_regimes(np.ones((5, 2, 2)), step=np.arange(4))


def test_a_diverged_run_is_refused():
    W = np.ones((5, 2, 2))
    W[3] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        find_regimes(W)


@pytest.mark.parametrize("sets", [[], [()], [(0, 1), (1,)], [(0, 2)], [(-1,)]])
def test_sets_must_be_of_the_features(sets):
    with pytest.raises(ValueError, match=r"sets=.*features 0 to 1"):
        find_regimes(np.ones((5, 2, 2)), sets=sets)
