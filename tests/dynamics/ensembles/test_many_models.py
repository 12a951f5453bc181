"""Ensembles with planted jumps, levels and polytopes: what is told of them is what was planted."""

import weakref

import numpy as np
import pytest

from dyn.dynamics.ensembles.gathering import Model
from dyn.dynamics.ensembles.many_models import ensemble_dynamics
from dyn.dynamics.levels import LEVELS
from dyn.dynamics.synthetic.trajectories import Plan, plant, tegum_product

ROWS = 600
STEP = 10 * np.arange(ROWS)
W = np.array([[1.0, -1, 0], [0, 0, 1]])


def model(*rows: int, W: np.ndarray = W, rng: np.random.Generator | None = None) -> Model:
    """Return a model of three features; the first goes down a level of D, and the loss by 1, at each of the rows."""
    values = [1.0, 0.5, 0.0]
    D = np.zeros((ROWS, 3))
    D[:, 2] = 1
    loss = np.full(ROWS, 3.0)
    D[:, 0] = np.array(values)[np.searchsorted(rows, np.arange(ROWS), side="right")]
    loss -= np.searchsorted(rows, np.arange(ROWS), side="right")
    noise = rng or np.random.default_rng(0)
    return Model(D + noise.normal(0, 0.004, D.shape), loss + noise.normal(0, 0.01, ROWS), W)


def index(polytope: str) -> int:
    return [level.polytope for level in LEVELS].index(polytope)


def test_jumps_of_all_models_are_found_at_their_times():
    found = ensemble_dynamics([model(100), model(200, 400), model()], STEP)
    assert [len(times) for times in found.jump_times] == [1, 2, 0]
    # A jump lies between two rows, which are ten steps apart.
    np.testing.assert_allclose(np.concatenate(found.jump_times), [1000, 2000, 4000], atol=10)
    assert found.jumps_per_model.value == 1
    # The noise of the loss is 0.01 a row, and a plateau has a hundred rows.
    np.testing.assert_allclose(np.concatenate(found.loss_drops), 1, atol=0.02)
    np.testing.assert_allclose(np.concatenate(found.jump_sizes), 0.5, atol=0.01)
    assert found.loss_drop.value == pytest.approx(1, abs=0.02)


def test_models_that_have_not_jumped_are_censored_at_the_end():
    found = ensemble_dynamics([model(100), model(200, 400), model()], STEP)
    first, second = found.jump_time(1), found.jump_time(2)
    np.testing.assert_allclose(first.share, [1, 2 / 3, 1 / 3])
    np.testing.assert_allclose(second.share, [1, 2 / 3])
    assert (first.happened, second.happened, found.jump_time(3).happened) == (2, 1, 0)
    assert first.end == STEP[-1]


def test_exponential_jump_times_are_told_with_their_interval():
    """Jump times are drawn with median 2000 ln 2, and a run ends at 5990: one in twenty models never jumps."""
    rng = np.random.default_rng(5)
    times = 200 + rng.exponential(2000, 40)
    rows = np.round(times / 10).astype(int)
    found = ensemble_dynamics((model(*([row] if row < 580 else []), rng=rng) for row in rows), STEP)
    assert found.jump_time().happened == np.count_nonzero(rows < 580)
    planted = np.sort(times)[19]
    # What is estimated is the planted sample, to a row or two; the law itself lies in the interval.
    assert found.jump_time().median.value == pytest.approx(planted, abs=20)
    assert found.jump_time().median.low < 200 + 2000 * np.log(2) < found.jump_time().median.high


def test_planted_events_of_many_features_are_found():
    plan = Plan(rows=1000, features=6, events=2, ramp=(0.01, 0.02), gap=0.2, noise=0.02, loss_noise=0.02)
    planted = [plant(plan, seed) for seed in range(8)]
    found = ensemble_dynamics((Model(each.signal, each.loss, W) for each in planted), planted[0].step)
    expected = [[(jump.start + jump.end) / 2 for jump in each.jumps] for each in planted]
    # Ramps of 10 to 20 rows: half of one on either side.
    np.testing.assert_allclose(found.jump_times, expected, atol=10)
    drops = [[-jump.loss_change for jump in each.jumps] for each in planted]
    np.testing.assert_allclose(found.loss_drops, drops, atol=0.05)


def test_occupancy_is_a_mean_over_models_counted_by_hand():
    found = ensemble_dynamics([model(100), model()], STEP).occupancy
    # At first the first and the last feature of both are dedicated; later the first of one model is a digon's.
    expected = {"dedicated": (2 / 3, (1 / 3 + 2 / 3) / 2), "digon": (0, 1 / 6), "not represented": (1 / 3, 1 / 3)}
    for name, shares in expected.items():
        np.testing.assert_allclose(found.mean[[50, 300], index(name)], shares, atol=1e-12)
        assert found.at_end()[LEVELS[index(name)].label].value == pytest.approx(shares[1])
    # Two models leave 12.7 standard errors, 1/6 each, which is more than shares can be.
    assert (found.low[300, index("digon")], found.high[300, index("digon")]) == (0, 1)


def test_occupancy_has_students_interval_over_models():
    found = ensemble_dynamics([model(100)] * 3 + [model()] * 7, STEP).occupancy
    shares = np.repeat([1 / 3, 0], [3, 7])
    # The quantile 0.975 of Student's t with 9 degrees of freedom is 2.262157.
    half = 2.262157 * shares.std(ddof=1) / np.sqrt(10)
    assert found.high[300, index("digon")] == pytest.approx(0.1 + half, rel=1e-5)
    assert found.low[300, index("digon")] == pytest.approx(max(0, 0.1 - half), rel=1e-5)


def test_polytopes_are_counted_by_models_and_by_features():
    pairs = tegum_product(["digon", "digon"], 1, extra=0)[0]
    mixed = tegum_product(["triangle", "dedicated"], 2, extra=0)[0]
    D = np.ones((1, 4))
    found = ensemble_dynamics([Model(D, None, pairs)] * 3 + [Model(D, None, mixed)], np.zeros(1)).polytopes
    assert list(found) == ["digon", "triangle", "dedicated"]
    assert [each.models.value for each in found.values()] == [3 / 4, 1 / 4, 1 / 4]
    assert [each.features.value for each in found.values()] == pytest.approx([3 / 4, 3 / 16, 1 / 16])
    assert found["digon"].models.low < 3 / 4 < found["digon"].models.high


def test_a_model_that_diverges_is_watched_until_then():
    broken = model(100, 500)
    broken.dimensionality[300:] = np.nan
    found = ensemble_dynamics([broken, model(200)], STEP)
    np.testing.assert_array_equal(found.watched, [STEP[299], STEP[-1]])
    assert [len(times) for times in found.jump_times] == [1, 1]
    # Levels and polytopes after that are those of the other model.
    assert found.occupancy.mean[400, index("digon")] == pytest.approx(1 / 3)
    assert found.polytopes["digon"].models.value == 1


def test_a_model_of_a_point_that_failed_is_none():
    failed = Model(np.full((ROWS, 3), np.nan), None, np.full((2, 3), np.nan))
    found = ensemble_dynamics([failed, model(100)], STEP)
    assert (found.models, found.failed) == (1, 1)
    nothing = ensemble_dynamics([failed], STEP)
    assert nothing.models == 0
    assert np.isnan(nothing.occupancy.mean).all()
    assert nothing.polytopes == {}


def test_no_model_is_kept():
    seen: list[weakref.ref[np.ndarray]] = []

    def models():
        for _ in range(4):
            each = model(100)
            seen.append(weakref.ref(each.dimensionality))
            yield each
            del each
            # The one that was just looked at may still have a name.
            assert sum(reference() is not None for reference in seen) <= 1

    assert ensemble_dynamics(models(), STEP).models == 4


def test_jumps_need_trajectories():
    found = ensemble_dynamics([Model(np.ones((1, 3)), None, W)], np.zeros(1))
    assert found.jumps is None
    with pytest.raises(ValueError, match="6 rows or more, got 1"):
        found.jump_time()


def test_rows_and_orders_are_checked():
    with pytest.raises(ValueError, match="600 rows for the 599"):
        ensemble_dynamics([model()], STEP[1:])
    with pytest.raises(ValueError, match="order=0"):
        ensemble_dynamics([model()], STEP).jump_time(0)


def test_many_models_of_few_rows_are_told_apart():
    """Of 2000 models of two rows every fourth has failed, and every fourth diverges before the second row."""
    D = np.array([[1.0, 1, 0], [0.5, 1, 0.5]])
    failed, diverged = np.full_like(D, np.nan), np.where([[False], [True]], np.nan, D)
    models = [Model(each, None, W) for each in (D, failed, diverged, D[::-1])] * 500
    found = ensemble_dynamics(models, np.array([0, 10]))
    assert (found.models, found.failed, found.jumps) == (1500, 500, None)
    assert np.bincount(found.watched.astype(int)).tolist() == [500, *[0] * 9, 1000]
    # In the first row two of three models are at D[0], in the second one of two.
    dedicated = [(2 + 2 + 1) / 9, (1 + 2) / 6]
    np.testing.assert_allclose(found.occupancy.mean[:, index("dedicated")], dedicated, rtol=1e-12)
    np.testing.assert_allclose(found.occupancy.mean[:, index("digon")], [2 / 9, 2 / 6], rtol=1e-12)
