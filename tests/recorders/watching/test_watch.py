"""Watching a recording: to its end, on a terminal or not, and the terminal as it was afterwards."""

import io
import math
import os
import re

import pytest

import dyn
from dyn.dynamics.errors import RecordingError, SettingError
from dyn.recorders.watching.glance import look
from dyn.recorders.watching.watch import render, watch


class Terminal(io.StringIO):
    """A stream that says it is a terminal, and one of a kind that knows only ASCII if told so."""

    def __init__(self, encoding: str = "utf-8"):
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self) -> str:
        return self._encoding

    def fileno(self) -> int:
        return 99

    def isatty(self) -> bool:
        return True


@pytest.fixture
def waits(monkeypatch):
    """Let what is appended here happen instead of the waiting, one a time; a second passes with each."""
    acts = []
    clock = [0.0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds
        acts.pop(0)()

    monkeypatch.setattr("dyn.recorders.watching.keys.time.sleep", sleep)
    monkeypatch.setattr("dyn.recorders.watching.watch.time.monotonic", lambda: clock[0])
    monkeypatch.setattr("os.get_terminal_size", lambda *_: os.terminal_size((60, 40)))
    return acts


@pytest.fixture
def recorder(regression, path):
    """A recording under way."""
    with dyn.attach(regression.model, regression.optimizer, path) as recorder:
        yield recorder


def test_a_recording_is_watched_to_its_end(regression, recorder, path, waits):
    waits += [lambda: regression.train(5, recorder), recorder.close]
    stream = io.StringIO()
    watch(path, stream=stream)
    first, _, last = stream.getvalue().splitlines()
    assert first.startswith(f"{path}: recording, 0 rows")
    assert first.endswith("no row yet")
    assert last.startswith(f"{path}: complete, 6 rows")
    assert f"loss {regression.losses[-1]:.4g}" in last
    assert waits == []


def test_a_terminal_is_drawn_on_in_place(regression, recorder, path, waits):
    waits += [lambda: regression.train(5, recorder), recorder.close]
    stream = Terminal()
    watch(path, stream=stream)
    start, *frames = stream.getvalue().split("\x1b[J")
    assert start.startswith("\x1b[?25l")
    # Each frame goes up by the lines of the one before it, and the cursor comes back at the end.
    drawn = start.count("\n")
    for frame in frames[:-1]:
        assert frame.startswith(f"\x1b[{drawn}F")
        drawn = frame.count("\n")
    assert frames[-1] == "\x1b[?25h"
    assert "complete, 6 rows" in frames[-2]


def test_a_resized_terminal_is_cleared(regression, recorder, path, waits, monkeypatch):

    def resize() -> None:
        regression.train(5, recorder)
        recorder.close()
        monkeypatch.setattr("os.get_terminal_size", lambda *_: os.terminal_size((30, 4)))

    waits.append(resize)
    stream = Terminal()
    watch(path, stream=stream)
    last = stream.getvalue().split("\x1b[2J\x1b[H")[1]
    lines = last.split("\x1b[J")[0].replace("\x1b[K", "").splitlines()
    # The last line of the terminal is the cursor's, and its last column stays free.
    assert len(lines) == 3
    assert all(len(line) <= 29 for line in lines)
    assert lines[-1].endswith("lines more")


def test_a_training_that_stands_still_is_told_of(recorder, path, waits):
    waits += [lambda: None] * 11 + [recorder.close]
    stream = io.StringIO()
    watch(path, stream=stream)
    lines = stream.getvalue().splitlines()
    assert "no new row" not in lines[9]
    assert "recording, no new row for 10 s, 0 rows" in lines[10]
    assert "complete, 1 rows" in lines[-1]


def test_a_new_row_breaks_the_silence(regression, recorder, path, waits):
    waits += [*[lambda: None] * 11, lambda: regression.step(recorder), lambda: None, recorder.close]
    stream = io.StringIO()
    watch(path, stream=stream)
    lines = stream.getvalue().splitlines()
    assert ["no new row" in line for line in lines] == [False] * 10 + [True] * 2 + [False] * 3
    assert "recording, 1 rows" in lines[12]


@pytest.mark.usefixtures("recorder")
def test_one_look_is_enough_if_asked_for(path, waits):
    stream = io.StringIO()
    watch(path, stream=stream, until_done=False)
    assert len(stream.getvalue().splitlines()) == 1
    assert waits == []


def test_a_view_is_the_same_with_an_earlier_look(recorded):
    with dyn.open(recorded) as recording:
        lines = render(recording, width=60)
        assert "run.h5: complete, 11 rows" in lines[0]
        assert lines[3].startswith("loss █")
        assert render(recording, width=60, previous=look(recording)) == lines


def test_the_cursor_comes_back_after_an_interrupt(recorder, waits):
    def interrupt() -> None:
        raise KeyboardInterrupt

    waits.append(interrupt)
    stream = Terminal()
    with pytest.raises(KeyboardInterrupt):
        watch(recorder.path, stream=stream)
    assert stream.getvalue().endswith("\x1b[?25h")


def test_the_cursor_comes_back_when_the_recording_has_gone(recorder, waits):
    elsewhere = recorder.path.with_name("elsewhere.h5")
    waits.append(lambda: recorder.path.rename(elsewhere))
    stream = Terminal()
    with pytest.raises(RecordingError, match="does not exist"):
        watch(recorder.path, stream=stream)
    assert stream.getvalue().endswith("\x1b[?25h")
    elsewhere.rename(recorder.path)


def test_a_terminal_that_knows_only_ascii_gets_nothing_else(recorded):
    stream = Terminal("ascii")
    watch(recorded, stream=stream)
    assert stream.getvalue().isascii()
    # Ten rows have a loss, each with a bar of its own height.
    assert re.search(r"loss [_.:*=#-]{10} ", stream.getvalue())


def test_a_dumb_terminal_gets_plain_lines(recorded, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    stream = Terminal()
    watch(recorded, stream=stream)
    assert "\x1b" not in stream.getvalue()


@pytest.mark.parametrize("interval", [0, -1, math.nan, math.inf])
def test_an_interval_that_is_no_time(path, interval):
    with pytest.raises(SettingError, match=f"interval={interval}"):
        watch(path, interval=interval, stream=io.StringIO())


def test_what_is_no_recording_is_named(tmp_path):
    with pytest.raises(RecordingError, match=r"none\.h5 does not exist"):
        watch(tmp_path / "none.h5", stream=io.StringIO())
