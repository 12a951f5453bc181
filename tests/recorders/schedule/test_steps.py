"""Which steps are recorded, held against their definitions written out."""

import random

import numpy as np
import pytest

from dyn.dynamics.errors import SettingError
from dyn.recorders.schedule.steps import parse_every, parse_schedule
from dyn.recorders.schedule.trigger import Trigger

WINDOWS = [(0, 10, 1), (20, 50, 7), (50, 51, 3), (1000, None, 50)]


def log_spaced(per_decade: int, steps: int) -> set[int]:
    """The definition: 0 and the distinct round(10^(j/K))."""
    wanted, j = {0} if steps else set(), 0
    while (step := round(10 ** (j / per_decade))) < steps:
        wanted.add(step)
        j += 1
    return wanted


def windowed(windows, steps: int) -> set[int]:
    return {
        step
        for start, stop, every in windows
        for step in range(start, steps)
        if (stop is None or step < stop) and (step - start) % every == 0
    }


CASES = [
    (1, lambda steps: set(range(steps))),
    (10, lambda steps: {step for step in range(steps) if step % 10 == 0}),
    (np.int64(7), lambda steps: {step for step in range(steps) if step % 7 == 0}),
    ("log", lambda steps: log_spaced(100, steps)),
    *((f"log:{K}", lambda steps, K=K: log_spaced(K, steps)) for K in (1, 2, 3, 10, 37, 999)),
    (WINDOWS, lambda steps: windowed(WINDOWS, steps)),
    ([(3, 5, 1)], lambda steps: windowed([(3, 5, 1)], steps)),
    (((5, None, 3),), lambda steps: windowed([(5, None, 3)], steps)),
    (Trigger(), lambda steps: set(range(steps))),
]


@pytest.mark.parametrize(("every", "definition"), CASES, ids=lambda case: str(case) if not callable(case) else "")
def test_the_steps_are_those_of_the_definition(every, definition):
    schedule = parse_schedule(every)
    assert {step for step in range(20_000) if schedule.wants(step)} == definition(20_000)


@pytest.mark.parametrize(("every", "definition"), CASES, ids=lambda case: str(case) if not callable(case) else "")
def test_any_order_of_asking_gives_the_same_answers(every, definition):
    schedule, expected = parse_schedule(every), definition(3000)
    generator = random.Random(0)
    for _ in range(5000):
        step = generator.randrange(3000)
        # A step that raised is asked for again when it is tried again.
        assert schedule.wants(step) == schedule.wants(step) == (step in expected)


@pytest.mark.parametrize(("every", "definition"), CASES[:-1], ids=lambda case: str(case) if not callable(case) else "")
@pytest.mark.parametrize("steps", [0, 1, 2, 9, 10, 11, 43, 44, 50, 51, 999, 1000, 1001, 12_345])
def test_the_expected_rows_are_the_steps_and_the_final_row(every, definition, steps):
    assert parse_schedule(every).expected_rows(steps) == len(definition(steps)) + 1


def test_log_spaced_steps_far_out():
    schedule = parse_schedule("log:1")
    assert schedule.expected_rows(10**9) == len([0, *(10**k for k in range(9))]) + 1
    assert schedule.wants(10**15)
    assert not schedule.wants(10**15 + 1)
    # A decade has 100 steps wherever they are spaced, and no time is spent on the many in between.
    rows = [parse_schedule("log").expected_rows(10**k) for k in range(3, 16)]
    assert set(np.diff(rows)) == {100}


def test_more_a_decade_than_there_are_steps_is_every_step():
    schedule = parse_schedule("log:999999999999999999")
    assert all(schedule.wants(step) for step in (0, 1, 2, 12_345, 10**9))
    assert schedule.expected_rows(10**9) == 10**9 + 1


def test_a_trigger_is_priced_by_its_sparse_rows():
    assert parse_schedule(Trigger(sparse=100)).expected_rows(1001) == 11 + 1


@pytest.mark.parametrize(
    ("every", "words"),
    [
        (1, "every step"),
        (10, "every 10 steps"),
        ("log", "every step up to 44, then 100 steps a decade"),
        ("log:1", "1 steps a decade"),
        ([(0, 1000, 1), (1000, None, 50)], "every step from 0 to 999; every 50 steps from 1000 on"),
        (
            Trigger(sparse=10, before=20, after=30),
            "every 10 steps, and every step from 20 before to 30 after a fall of the loss by 0.05 within 100 steps",
        ),
    ],
)
def test_a_schedule_says_what_it_is(every, words):
    assert str(parse_schedule(every)) == words


@pytest.mark.parametrize(
    ("every", "words"),
    [
        (0, ["every=0 is not a whole number of steps, 1 or more", '"log"']),
        (-3, ["every=-3"]),
        (True, ["every=True"]),
        (2.0, ["every=2.0"]),
        (None, ["every=None"]),
        ("10", ["every='10'"]),
        (b"log", ["every=b'log'"]),
        ("log:0", ["every='log:0'", "log:K"]),
        ("log:", ["every='log:'"]),
        ("log:1e2", ["every='log:1e2'"]),
        ("log:²", ["every='log:²'"]),
        ("logarithmic", ["every='logarithmic'"]),
        ([], ["no window", "[(start, stop, every), …]"]),
        ((0, 1000, 1), ["(0, 1000, 1)", "0 is no window", "a list of them"]),
        ([(0, 10)], ["(0, 10) is no window"]),
        (["0:1"], ["'0:1' is no window"]),
        ([(-1, 10, 1)], ["(-1, 10, 1)", "starts"]),
        ([(0.5, 10, 1)], ["starts"]),
        ([(10, 10, 1)], ["(10, 10, 1)", "stops", "None is for ever"]),
        ([(0, 10, 0)], ["(0, 10, 0)", "1 or more"]),
        ([(0, 10, True)], ["1 or more"]),
        ([(0, 10, 1), (9, 20, 1)], ["(9, 20, 1) begins before (0, 10, 1) ends"]),
        ([(10, 20, 1), (0, 5, 1)], ["(0, 5, 1) begins before"]),
        ([(0, None, 1), (10, 20, 1)], ["(10, 20, 1) begins before (0, None, 1) ends"]),
    ],
)
def test_what_is_no_schedule_is_named_with_the_way_out(every, words):
    with pytest.raises(SettingError) as caught:
        parse_schedule(every)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10", 10),
        (" 1 ", 1),
        ("log", "log"),
        ("log:50", "log:50"),
        ("0:1000:1,1000::50", [(0, 1000, 1), (1000, None, 50)]),
        ("5::2", [(5, None, 2)]),
        ("trigger", Trigger()),
        ("trigger:sparse=10,drop=0.1", Trigger(sparse=10, drop=0.1)),
        ("trigger: before = 5 , after=6, span=20", Trigger(before=5, after=6, span=20)),
    ],
)
def test_the_command_line_says_it_in_text(text, value):
    assert parse_every(text) == value
    parse_schedule(value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["every=''", "START:STOP:EVERY"]),
        ("0", ["every=0"]),
        ("-1", ["every='-1'"]),
        ("1.5", ["every='1.5'"]),
        ("9" * 5000, ["every="]),
        ("sometimes", ["every='sometimes'", "log:K", "trigger"]),
        ("log:x", ["every='log:x'"]),
        ("0:10", ["'0:10' is not START:STOP:EVERY"]),
        ("0:10:", ["'0:10:'"]),
        (":10:1", ["':10:1'"]),
        ("0:10:1,", ["'' is not START:STOP:EVERY"]),
        ("0:10:1:1", ["'0:10:1:1'"]),
        ("0:x:1", ["'0:x:1'"]),
        ("0:10:1,5:20:1", ["begins before"]),
        ("trigger:sprase=3", ["'sprase'", "did you mean sparse?"]),
        ("trigger:sparse", ["'sparse' gives sparse no number", "sparse=100"]),
        ("trigger:drop=nan", ["drop=0.05"]),
        ("trigger:drop=5", ["Trigger(drop=5)", "0.05 is a fall by 5 %"]),
        ("trigger:sparse=1.5", ["Trigger(sparse=1.5) is not a whole number"]),
    ],
)
def test_text_that_is_no_schedule_is_named_with_the_way_out(text, words):
    with pytest.raises(SettingError) as caught:
        parse_every(text)
    for word in words:
        assert word in str(caught.value)
