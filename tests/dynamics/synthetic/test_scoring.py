"""The score of found jumps counts what it says it counts."""

import numpy as np

from dyn.dynamics.jumps import Jump
from dyn.dynamics.synthetic.scoring import Score, score, total
from dyn.dynamics.synthetic.trajectories import PlantedJump


def found(start: int, end: int, *features: int) -> Jump:
    some = np.zeros(len(features))
    return Jump(start, end, features, some, some + 0.5, some + 9, np.nan, np.nan, np.nan)


def planted(start: int, end: int, *features: int) -> PlantedJump:
    some = np.zeros(len(features))
    return PlantedJump(start, end, features, some, some + 0.5, -1.0)


def test_nothing_planted_and_nothing_found_is_perfect():
    result = score([], [])
    assert result == Score(0, 0, 0, 0, 0)
    assert result.recall == result.precision == result.within == 1.0


def test_a_jump_matches_where_steps_overlap_and_a_feature_is_shared():
    result = score([found(12, 18, 1, 2)], [planted(10, 20, 2, 1)])
    # The features are told in order by both.
    assert result == Score(planted=1, found=1, matched=1, timed=1, exact=0)
    assert score([found(12, 18, 1, 2)], [planted(10, 20, 1, 2)]).exact == 1
    assert score([found(12, 18, 3)], [planted(10, 20, 1)]).matched == 0
    assert score([found(21, 30, 1)], [planted(10, 20, 1)]).matched == 0


def test_the_middle_decides_about_the_time():
    assert score([found(18, 30, 1)], [planted(10, 20, 1)]) == Score(1, 1, 1, 0, 1)
    assert score([found(5, 35, 1)], [planted(10, 20, 1)]) == Score(1, 1, 1, 1, 1)


def test_one_found_jump_is_not_two():
    assert score([found(10, 40, 1)], [planted(10, 20, 1), planted(30, 40, 1)]).matched == 1


def test_the_total_adds_the_counts():
    sums = total([Score(3, 2, 2, 1, 2), Score(1, 4, 1, 1, 0)])
    assert sums == Score(4, 6, 3, 2, 2)
    assert (sums.recall, sums.precision, sums.within) == (3 / 4, 3 / 6, 2 / 3)
