"""Feature sets found in runs that are known."""

import numpy as np

from dyn.dynamics.motion.feature_sets import find_sets


def run_of(first, last, rows=100, share=0.2):
    """A run that stays at one W for a share of its rows, then is at another."""
    return np.stack([first if row < share * rows else last for row in range(rows)])


OCTAHEDRON = np.hstack([np.eye(3), -np.eye(3)])


def test_features_that_were_merged_are_one_set():
    merged = np.zeros((3, 6))
    merged[0, [0, 2, 4]] = merged[1, [1, 3, 5]] = 1
    assert find_sets(run_of(merged, OCTAHEDRON)) == [(0, 2, 4), (1, 3, 5)]


def test_passing_by_is_not_being_merged():
    merged = np.zeros((3, 6))
    merged[0] = 1
    assert find_sets(run_of(merged, OCTAHEDRON, share=0.03)) == [(0, 3), (1, 4), (2, 5)]


def test_sets_that_lie_together_for_less_than_half_as_long_are_two():
    all_one, two = np.zeros((3, 6)), np.zeros((3, 6))
    all_one[0] = 1
    two[0, :3] = two[1, 3:] = 1
    W = np.concatenate([run_of(all_one, two, share=0.3), run_of(two, OCTAHEDRON, share=0.1)])
    assert find_sets(W) == [(0, 1, 2), (3, 4, 5)]


def test_without_merging_the_last_polytopes_are_the_sets():
    W = np.zeros((2, 6))
    W[0, [1, 4]], W[1, 2] = (1, -1), 1
    assert find_sets(run_of(W, W)) == [(0, 3, 5), (1, 4), (2,)]


def test_features_that_are_not_represented_at_last_are_no_merged_set():
    merged = np.zeros((3, 6))
    merged[0] = 1
    last = np.zeros((3, 6))
    last[:, :3] = np.eye(3)
    assert find_sets(run_of(merged, last)) == [(0, 1, 2), (3, 4, 5)]


def test_nothing_is_one_set():
    assert find_sets(np.zeros((4, 2, 3))) == [(0, 1, 2)]
