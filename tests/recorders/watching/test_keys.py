"""The keyboard while a recording is watched: q ends the wait, other keys do not, and the terminal is as it was."""

import io
import os

import pytest

from dyn.recorders.watching.keys import stopped_by_q

pty = pytest.importorskip("pty")
termios = pytest.importorskip("termios")


@pytest.fixture
def terminal(monkeypatch):
    """The user's end of a terminal, and ours as a file."""
    fingers, descriptor = pty.openpty()
    # Only the terminal that controls a session knows who is in front.
    monkeypatch.setattr(os, "tcgetpgrp", lambda _: os.getpgrp())
    with open(descriptor, encoding="utf-8") as keyboard:  # noqa: PTH123
        yield fingers, keyboard
    os.close(fingers)


@pytest.mark.parametrize("keys", [b"q", b"Q", b"xyq"])
def test_q_ends_the_wait(terminal, keys):
    fingers, keyboard = terminal
    with stopped_by_q(keyboard) as wait:
        os.write(fingers, keys)
        assert wait(60.0)


def test_other_keys_do_not(terminal):
    fingers, keyboard = terminal
    with stopped_by_q(keyboard) as wait:
        os.write(fingers, b"xyz")
        assert not wait(0.1)


def test_the_terminal_is_as_it_was(terminal):
    _, keyboard = terminal
    before = termios.tcgetattr(keyboard)
    with pytest.raises(KeyboardInterrupt), stopped_by_q(keyboard):
        assert not termios.tcgetattr(keyboard)[3] & termios.ICANON
        # Ctrl-C goes on to interrupt.
        assert termios.tcgetattr(keyboard)[3] & termios.ISIG
        raise KeyboardInterrupt
    assert termios.tcgetattr(keyboard) == before


def test_in_the_background_a_terminal_is_let_alone(terminal, monkeypatch):
    monkeypatch.setattr(os, "tcgetpgrp", lambda _: os.getpgrp() + 1)
    before = termios.tcgetattr(terminal[1])
    with stopped_by_q(terminal[1]) as wait:
        assert termios.tcgetattr(terminal[1]) == before
        assert not wait(0.0)


@pytest.mark.parametrize("keyboard", [None, io.StringIO("q")])
def test_without_a_terminal_the_time_counts(keyboard):
    with stopped_by_q(keyboard) as wait:
        assert not wait(0.0)
