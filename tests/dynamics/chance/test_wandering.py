"""How far what only wanders goes: Student's law, and no jump told of walks, of memory and of smooth falls."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from dyn.dynamics.chance import FAMILY_WISE, log_chance_of_change
from dyn.dynamics.jumps import detect_jumps

ROWS, RUNS = 400, 300
Draw = Callable[[np.random.Generator], np.ndarray]


def remembered(rng: np.random.Generator, rho: float) -> np.ndarray:
    noise = rng.normal(size=(ROWS, RUNS))
    for k in range(1, ROWS):
        noise[k] += rho * noise[k - 1]
    return noise


def walk(rng: np.random.Generator) -> np.ndarray:
    return remembered(rng, 1.0)


NOTHING: dict[str, Draw] = {
    "noise": lambda rng: remembered(rng, 0.0),
    "memory": lambda rng: remembered(rng, 0.95),
    "walk": walk,
    "smooth walk": lambda rng: np.cumsum(walk(rng), axis=0),
    "fall": lambda rng: 3 * np.exp(-np.arange(ROWS) / 40)[:, None] + 0.02 * walk(rng),
}


def is_told(column: np.ndarray) -> bool:
    for jump in detect_jumps(column[:, None] / np.ptp(column)):
        change = float(jump.after[0] - jump.before[0]) * np.ptp(column)
        if log_chance_of_change(column, int(jump.start), int(jump.end), change) < math.log(FAMILY_WISE):
            return True
    return False


@pytest.mark.parametrize("signal", NOTHING)
def test_of_what_wanders_hardly_a_jump_is_told(signal):
    told = sum(map(is_told, NOTHING[signal](np.random.default_rng(77)).T))
    # At the 1 % that is promised more are seen in one of ten thousand such samples.
    assert told <= stats.binom.ppf(1 - 1e-4, RUNS, FAMILY_WISE)


def test_a_jump_on_a_walk_is_told():
    leap = 1 / (1 + np.exp(-(np.arange(ROWS) - 200) / 3))
    rng = np.random.default_rng(78)
    columns = leap[:, None] + 0.1 * walk(rng) / ROWS**0.5 + 0.02 * rng.normal(size=(ROWS, RUNS))
    assert sum(map(is_told, columns.T)) >= 0.95 * RUNS


def test_it_is_students_law_allowing_for_places():
    values = np.cumsum(np.random.default_rng(79).normal(size=ROWS))
    n, changes = 10, values[10:] - values[:-10]
    begins = np.arange(len(changes))
    spread = np.sqrt(np.square(changes[(begins + n <= 200) | (begins >= 210)]).mean())
    found = log_chance_of_change(values, 200, 210, 8 * spread)
    expected = np.log(16 * ROWS / n) + np.log(2) + stats.t.logsf(8, (ROWS - n) / n - 2)
    assert found == pytest.approx(expected, rel=1e-9)


def test_what_takes_most_of_a_run_has_nothing_to_be_set_against():
    assert log_chance_of_change(np.arange(20.0), 3, 12, 1e9) == 0


def test_where_nothing_changes_elsewhere_everything_is_beyond_chance():
    step = np.repeat([0.0, 1.0], 50)
    assert log_chance_of_change(step, 49, 50, 1.0) == -math.inf
    assert log_chance_of_change(step, 49, 50, 0.0) == 0
