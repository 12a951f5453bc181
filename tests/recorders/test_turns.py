"""Turns: readers together, the one who changes the file alone, and nobody waits for ever."""

import threading
import time

import pytest

from dyn.recorders import turns


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "run.h5"
    path.write_bytes(b"content")
    return path


def test_readers_read_together(file):
    with turns.reading(file) as first, turns.reading(file) as second:
        assert first != second


def test_a_change_waits_for_a_reader(file):
    order = []

    def change() -> None:
        with turns.changing(file):
            order.append("changed")

    with turns.reading(file):
        thread = threading.Thread(target=change)
        thread.start()
        # Long enough for it to be made, if it did not wait.
        time.sleep(0.05)
        order.append("read")
    thread.join()
    assert order == ["read", "changed"]


def test_a_reader_waits_for_a_change(file):
    order = []

    def read() -> None:
        with turns.reading(file):
            order.append("read")

    with turns.changing(file):
        thread = threading.Thread(target=read)
        thread.start()
        time.sleep(0.05)
        order.append("changed")
    thread.join()
    assert order == ["changed", "read"]


def test_a_training_does_not_wait_for_ever(file, monkeypatch):
    monkeypatch.setattr(turns, "_WRITERS_PATIENCE", 0.01)
    with turns.reading(file), turns.changing(file):
        pass


def test_a_reader_says_that_a_change_does_not_end(file, monkeypatch):
    monkeypatch.setattr(turns, "_READERS_PATIENCE", 0.01)
    with turns.changing(file), pytest.raises(OSError, match=r"run.h5 is being changed"), turns.reading(file):
        pass


def test_what_cannot_be_opened_is_left_to_whoever_opens_it(tmp_path):
    with turns.reading(tmp_path / "none.h5") as descriptor, turns.changing(tmp_path / "none.h5"):
        assert descriptor == -1
