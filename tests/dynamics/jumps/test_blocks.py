"""A signal in blocks: their means, the gaps filled, and the noise as it counts in averages."""

import numpy as np
import pytest

from dyn.dynamics.jumps.blocks import condense, fill, noise
from dyn.dynamics.synthetic.trajectories import Plan, plant


def test_blocks_are_the_means_of_their_rows():
    blocks = condense(np.arange(1030.0)[:, None])
    # The least size that leaves no more than 512 blocks; the last row fills none.
    assert (blocks.size, blocks.means.shape) == (3, (343, 1))
    np.testing.assert_array_equal(blocks.means[:, 0], 1.0 + 3 * np.arange(343))


def test_means_and_noise_are_the_same_to_the_last_bit_beside_any_others():
    signal = np.random.default_rng(0).normal(size=(20_000, 5))
    whole = condense(signal).means
    for columns in (slice(0, 1), slice(1, 3), slice(2, 5)):
        part = condense(np.asfortranarray(signal[:, columns])).means
        np.testing.assert_array_equal(part, whole[:, columns])
        np.testing.assert_array_equal(noise(part), noise(whole)[columns])


def test_a_gap_is_filled_with_the_value_before_it():
    nan = np.nan
    signal = np.array([[nan, 1.0, nan], [2.0, np.inf, nan], [nan, nan, nan], [3.0, 4.0, nan]])
    np.testing.assert_array_equal(fill(signal), [[2, 1, 0], [2, 1, 0], [2, 1, 0], [3, 4, 0]])


@pytest.mark.parametrize("correlation", [0.0, 0.5])
@pytest.mark.parametrize("events", [0, 5])
def test_the_noise_is_that_of_averages_and_knows_no_jump(correlation, events):
    found = []
    for seed in range(20):
        trajectory = plant(Plan(events=events, noise=1 / 3, correlation=correlation), seed=seed)
        blocks = condense(trajectory.signal)
        deviation = (trajectory.signal - trajectory.clean).std(axis=0)
        lasting = deviation * np.sqrt((1 + correlation) / (1 - correlation) / blocks.size)
        found.append(noise(blocks.means) / lasting)
    # The largest of several estimates, each known to about 10 %, and jumps add to the coarsest: rather too much.
    assert 0.9 < np.median(found) < 1.4
    assert np.quantile(found, 0.02) > 0.75
    assert np.quantile(found, 0.98) < 2
