"""A jump in words."""

import numpy as np
import pytest

from dyn.dynamics.jumps import Jump
from dyn.dynamics.jumps.words import describe_jump


def jump(features, before, after, **others) -> Jump:
    known = {"loss_change": np.nan, "loss_sigmas": np.nan, "loss_lag": np.nan, **others}
    sigmas = np.full(len(features), 9.0)
    return Jump(1560, 1720, tuple(features), np.array(before), np.array(after), sigmas, **known)


def test_features_that_go_together_are_told_together():
    swap = jump([3, 5, 17], [0.2, 0.5, 0.22], [0.5, 0.0, 0.5], loss_change=-0.0012, loss_error=0.00013, loss_lag=3.0)
    assert describe_jump(swap, "expected loss", shapes={3: "digon", 17: "digon"}) == (
        "steps 1560-1720: features 3, 17 rise 0.21 → 0.50 (digon), feature 5 falls 0.50 → 0.00 (not represented); "
        "expected loss -0.0012 ± 0.0001"
    )


def test_a_level_that_has_no_name_is_left_unnamed_and_a_loss_that_is_not_known_unsaid():
    assert describe_jump(jump([1], [0.1], [0.58])) == "steps 1560-1720: feature 1 rises 0.10 → 0.58"


def test_a_level_does_not_name_a_polytope():
    # 1 and 0 mean what they say; 1/2, 2/3 and 2/5 belong to more than one polytope.
    moved = jump([1, 2, 3, 4, 5], [0.3] * 5, [1.0, 2 / 3, 0.5, 0.4, 0.0])
    assert describe_jump(moved) == (
        "steps 1560-1720: feature 2 rises 0.30 → 0.67, feature 3 rises 0.30 → 0.50, feature 4 rises 0.30 → 0.40, "
        "feature 1 rises 0.30 → 1.00 (dedicated), feature 5 falls 0.30 → 0.00 (not represented)"
    )
    named = describe_jump(moved, shapes={2: "digon", 3: "digon"})
    assert "feature 2 rises 0.30 → 0.67 (digon), feature 3 rises 0.30 → 0.50 (digon)" in named


def test_many_features_are_counted():
    many = jump(range(9), [0.0] * 9, [0.5] * 9)
    assert describe_jump(many) == "steps 1560-1720: 9 features rise 0.00 → 0.50"


def test_a_loss_that_changes_outside_of_the_jump_is_timed():
    late = jump([1], [0.0], [0.5], loss_change=0.25, loss_error=0.01, loss_lag=200.0)
    assert describe_jump(late).endswith("; loss +0.25 ± 0.01, 200 steps later")
    early = jump([1], [0.0], [0.5], loss_change=0.25, loss_error=0.01, loss_lag=-81.0)
    assert describe_jump(early).endswith("; loss +0.25 ± 0.01, 81 steps earlier")


@pytest.mark.parametrize(
    ("error", "words"),
    [(0.0004, "-0.0718 ± 0.0004"), (0.004, "-0.072 ± 0.004"), (1e-9, "-0.0718"), (0.0, "-0.0718"), (np.nan, "-0.072")],
)
def test_the_error_of_the_loss_is_told_where_it_shows(error, words):
    known = jump([1], [0.0], [0.5], loss_change=-0.07177, loss_error=error)
    assert describe_jump(known).endswith(f"; loss {words}")


def test_a_loss_that_falls_or_rises_by_far_is_told_by_its_factor():
    far = jump([1], [0.0], [0.5], loss_change=-0.0718, loss_error=4e-4, loss_factor=0.125)
    assert describe_jump(far).endswith("; loss -0.0718 ± 0.0004, × 0.12")
    little = jump([1], [0.0], [0.5], loss_change=-0.0718, loss_error=4e-4, loss_factor=0.6)
    assert describe_jump(little).endswith("; loss -0.0718 ± 0.0004")
