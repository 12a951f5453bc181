"""Which pairs of lines could be plateaus with a jump between them."""

import numpy as np

from dyn.dynamics.jumps.candidates import candidates
from dyn.dynamics.jumps.segments import fit_lines


def found(*pieces: tuple[int, float, float], noise: float = 0.01, smallest: float = 0.05) -> list[tuple[int, int]]:
    """Return the candidates among lines of so many rows that lead from one value to another."""
    y = np.concatenate([np.linspace(begin, end, rows) for rows, begin, end in pieces])
    return candidates(fit_lines(y, np.cumsum([0, *(rows for rows, _, _ in pieces)])), noise, smallest)


def test_a_step_lies_between_the_last_row_of_a_plateau_and_the_first_of_the_next():
    assert found((200, 0.2, 0.2), (300, 0.5, 0.5)) == [(199, 200)]


def test_a_ramp_is_no_plateau_of_its_own():
    assert found((200, 0.2, 0.2), (30, 0.21, 0.49), (300, 0.5, 0.5)) == [(199, 230)]


def test_a_small_step_at_the_end_of_a_ramp_does_not_stand_for_the_ramp():
    # By itself, the step of 0.12 from the ramp to the second plateau would be large and sure enough.
    assert found((270, 0.38, 0.38), (42, 0.38, 0.06), (190, -0.06, -0.06), noise=0.05) == [(269, 312)]


def test_a_plateau_between_two_steps_divides_them():
    assert found((200, 0.2, 0.2), (40, 0.4, 0.4), (200, 0.6, 0.6)) == [(199, 200), (239, 240)]


def test_steps_of_one_direction_without_a_plateau_between_them_are_one():
    # What lies between them is as long as a quarter of each.
    pieces = (200, 0.2, 0.2), (40, 0.205, 0.395), (11, 0.4, 0.4), (40, 0.405, 0.595), (200, 0.6, 0.6)
    assert found(*pieces, noise=0.002) == [(199, 291)]


def test_what_takes_more_than_a_quarter_of_the_run_is_drift():
    assert found((150, 0.2, 0.2), (200, 0.2, 0.5), (150, 0.5, 0.5)) == []


def test_a_drift_that_goes_on_is_no_jump():
    assert found((250, 0.0, 0.25), (250, 0.25, 1.0)) == []


def test_plateaus_that_drift_by_nearly_half_the_change_meanwhile_are_none():
    # By 0.002 in each of the 61 rows of a change of 0.3.
    assert found((200, 0.0, 0.398), (60, 0.405, 0.695), (200, 0.7, 1.098)) == []
    assert found((200, 0.0, 0.2), (60, 0.205, 0.495), (200, 0.5, 0.7)) == [(199, 260)]


def test_a_step_is_larger_than_the_smallest_and_than_the_noise():
    assert found((200, 0.2, 0.2), (300, 0.23, 0.23)) == []
    # Eight times 0.1 √(1 / 200 + 1 / 300) = 0.073.
    assert found((200, 0.2, 0.2), (300, 0.26, 0.26), noise=0.1) == []
    assert found((200, 0.2, 0.2), (300, 0.28, 0.28), noise=0.1) == [(199, 200)]
