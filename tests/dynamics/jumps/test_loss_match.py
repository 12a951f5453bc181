"""What the loss does near a jump belongs to it, and what it does elsewhere does not."""

import numpy as np
import pytest
from scipy.signal import lfilter

from dyn.dynamics.jumps.loss_match import match_loss

ROWS = np.arange(4000)
# The jump of the features, in blocks of 8 rows: away from both ends, and 40 rows long.
JUMP = (2000, 2040)
NOISE = 0.1
# Means over 32 blocks on both sides are known to 0.1 √(2 / 256) = 0.009.
ERROR = NOISE * np.sqrt(2 / 256)


def ramp(start: int, end: int, drop: float) -> np.ndarray:
    return -drop * np.clip((ROWS - start) / (end - start), 0, 1)


def match(expected: np.ndarray, seed: int | None = 0, spans: tuple[tuple[int, int], ...] = (JUMP,)):
    noise = 0.0 if seed is None else NOISE * np.random.default_rng(seed).normal(size=ROWS.size)
    return match_loss(expected + noise, 10 * ROWS, spans)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("lag", [-40, -20, 0, 20, 40])
def test_a_ramp_near_the_jump_is_its_own(lag, seed):
    (found,) = match(ramp(2000 + lag, 2040 + lag, 1.0), seed)
    assert found.change == pytest.approx(-1.0, abs=4 * ERROR)
    assert found.sigmas > 50
    # The middle of 40 rows is known to 0.1 √40, over a drop of 1, which is 0.6 rows; four of these, of 10 steps each.
    assert found.lag == pytest.approx(10 * lag, abs=25)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("away", [-1000, -200, -100, 100, 200, 1000])
def test_a_ramp_far_from_the_jump_is_not(away, seed):
    (found,) = match(ramp(2000 + away, 2040 + away, 1.0), seed)
    # The plateau that the ramp leaves beside the jump is at least 60 rows long.
    assert found.change == pytest.approx(0, abs=4 * NOISE / np.sqrt(60))
    assert found.sigmas < 5
    assert np.isnan(found.lag)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("away", [-200, -100, 100, 200])
def test_a_small_ramp_near_the_jump_is_seen_beside_a_large_one_farther_away(away, seed):
    (found,) = match(ramp(2000, 2040, 1.0) + ramp(2000 + away, 2040 + away, 8.0), seed)
    assert found.change == pytest.approx(-1.0, abs=4 * NOISE / np.sqrt(60))
    assert found.lag == pytest.approx(0, abs=25)


def test_equal_steps_are_not_taken_for_one_ramp():
    stairs = np.sum([ramp(at, at + 40, 1.0) for at in (1500, 1750, 2000, 2250, 2500)], axis=0)
    (found,) = match(stairs)
    assert found.change == pytest.approx(-1.0, abs=4 * ERROR)
    assert found.lag == pytest.approx(0, abs=25)


def test_a_sharp_change_before_a_slow_jump_is_not_its_own():
    (found,) = match(ramp(1900, 1902, 1.0), spans=((2000, 2300),))
    assert found.sigmas < 5
    assert np.isnan(found.lag)


def test_a_sharp_change_before_a_slow_jump_does_not_hide_its_own():
    (found,) = match(ramp(1900, 1902, 4.0) + ramp(2050, 2250, 1.0), spans=((2000, 2300),))
    # The plateau before the jump is 98 rows long.
    assert found.change == pytest.approx(-1.0, abs=4 * NOISE / np.sqrt(98))
    # The middle of 200 rows is known to 0.1 √200 = 1.4 rows.
    assert found.lag == pytest.approx(0, abs=57)


def test_what_belongs_to_a_neighbour_is_not_shared():
    first, second = match(ramp(2100, 2140, 1.0), spans=(JUMP, (2100, 2140)))
    assert first.sigmas < 5
    assert np.isnan(first.lag)
    assert second.change == pytest.approx(-1.0, abs=4 * ERROR)
    assert second.lag == pytest.approx(0, abs=25)


def test_a_loss_that_falls_evenly_changes_across_the_jump_and_has_no_time():
    (found,) = match(-0.01 * ROWS)
    # Over the 40 rows of the jump, and the row on each side that fills its blocks.
    assert found.change == pytest.approx(-0.4, abs=4 * ERROR)
    assert np.isnan(found.lag)


@pytest.mark.parametrize("jump", [(24, 64), (200, 400), (2000, 2040)])
def test_a_curve_that_levels_off_changes_as_it_does_from_start_to_end_and_has_no_time(jump):
    loss = np.exp(-ROWS / 100) + np.exp(-ROWS / 1000)
    (found,) = match(loss, None, (jump,))
    # Plateaus of two blocks, of 8 rows each, count as lines, which miss a fifth of this bend, or as level.
    assert loss[jump[1] + 16] - loss[jump[0] - 16] <= found.change <= 0.75 * (loss[jump[1]] - loss[jump[0]])
    assert np.isnan(found.lag)


def test_a_bend_is_no_ramp_on_a_slope():
    # Steep until about row 200, then even until row 450.
    loss = np.exp(-ROWS / 60) + 0.3 * np.clip(1 - ROWS / 450, 0, None)
    (found,) = match(loss, None, ((200, 600),))
    # From two blocks before the jump, where the loss still falls by 0.03 in 16 rows.
    assert found.change == pytest.approx(loss[600] - loss[200], abs=0.03)
    assert np.isnan(found.lag)


def test_the_error_counts_noise_that_lasts_about_the_jump_alone():
    off = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        # White far from the jump, and remembered for fifty rows near it; the deviation is the same.
        white, slow = rng.normal(size=4000), np.asarray(lfilter([0.2], [1, -0.98], rng.normal(size=4000)))
        noise = 0.01 * np.where(abs(ROWS - 2000) < 500, slow, white)
        (found,) = match_loss(0.3 * (ROWS >= 2000) + noise, ROWS, [(1999, 2000)])
        off.append(abs(found.change - 0.3) * found.sigmas / abs(found.change))
    # Half of all normal errors are below 0.67; white noise of that deviation would make it √((1 + ρ) / (1 - ρ)) = 3.5
    # times as much, with ρ = 0.85 from block to block. The drift and ρ are not known exactly either.
    assert np.median(off) < 1.5


def test_nothing_is_known_of_a_loss_that_is_not_known():
    (found,) = match(np.full(ROWS.size, np.nan))
    assert np.isnan(found).all()


def test_a_loss_that_falls_by_decades_falls_across_a_jump_that_begins_early():
    # Steep where the jump begins, and almost level where it ends: slopes drawn from both sides would cross.
    loss = 3 / (1 + ROWS / 10) ** 1.5 + 0.01
    for span in [(60, 640), (12, 640), (300, 420)]:
        (found,) = match_loss(loss, ROWS, [span])
        assert found.change == pytest.approx(loss[span[1]] - loss[span[0]], rel=0.01)
        assert found.factor == pytest.approx(loss[span[1]] / loss[span[0]], rel=0.01)
        assert np.isnan(found.lag)


@pytest.mark.parametrize("decades", [2, 4])
def test_noise_that_falls_with_the_loss_is_measured_where_it_counts(decades):
    loss = 10.0 ** (-decades * ROWS / ROWS.size)
    noisy = loss * (1 + 0.01 * np.random.default_rng(0).normal(size=ROWS.size))
    (found,) = match_loss(noisy, ROWS, [(2000, 2400)])
    assert found.change == pytest.approx(loss[2400] - loss[2000], abs=4 * found.error)
    assert found.error < 0.01 * loss[2000]


def test_rows_without_a_loss_are_left_out():
    loss = ramp(2000, 2040, 1.0) - 0.001 * ROWS
    holes = np.where(np.random.default_rng(0).random(ROWS.size) < 0.3, np.nan, loss)
    # The last row of a recording has none.
    holes[[2000, 2040, -1]] = np.nan
    (found,) = match_loss(holes, ROWS, [JUMP])
    assert found.change == pytest.approx(-1.04, rel=0.02)
    assert found.lag == pytest.approx(0, abs=3)
    until_the_end = match_loss(np.where(ROWS[-1] == ROWS, np.nan, loss), ROWS, [(ROWS[-3], ROWS[-1])])
    assert np.isnan(until_the_end[0].change)


@pytest.mark.parametrize("rows", [2, 3, 5, 8])
def test_few_rows_say_what_they_are(rows):
    (found,) = match_loss(np.linspace(2, 1, rows), np.arange(rows), [(0, rows - 1)])
    assert found.change == pytest.approx(-1)
    assert np.isnan(found.lag)


def test_a_loss_that_may_be_negative_has_no_factor():
    (found,) = match(ramp(*JUMP, 1.0))
    assert np.isnan(found.factor)
    (above,) = match(3 + ramp(*JUMP, 1.0))
    assert above.factor == pytest.approx(2 / 3, rel=0.02)
