"""Turns: readers together, the one who changes the file alone, and nobody waits for ever."""

import threading
import time

import pytest

from dyn.recorders.file import reader_lock


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "run.h5"
    path.write_bytes(b"content")
    return path


def test_readers_read_together(file):
    with reader_lock.reading(file) as first, reader_lock.reading(file) as second:
        assert first != second


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (reader_lock.reading, reader_lock.changing),
        (reader_lock.changing, reader_lock.reading),
        (reader_lock.changing, reader_lock.changing),
    ],
)
def test_who_comes_second_waits(file, first, second):
    order = []

    def come_second() -> None:
        with second(file):
            order.append("second")

    with first(file):
        thread = threading.Thread(target=come_second)
        thread.start()
        # Long enough for it to get in, if it did not wait.
        time.sleep(0.05)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_a_training_does_not_wait_for_ever(file, monkeypatch):
    monkeypatch.setattr(reader_lock, "_WRITERS_PATIENCE", 0.01)
    with reader_lock.reading(file), reader_lock.changing(file):
        pass


def test_a_reader_says_that_a_change_does_not_end(file, monkeypatch):
    monkeypatch.setattr(reader_lock, "_READERS_PATIENCE", 0.01)
    with (
        reader_lock.changing(file),
        pytest.raises(OSError, match=r"run.h5 is being changed"),
        reader_lock.reading(file),
    ):
        pass


def test_what_cannot_be_opened_is_left_to_whoever_opens_it(tmp_path):
    with reader_lock.reading(tmp_path / "none.h5") as descriptor, reader_lock.changing(tmp_path / "none.h5"):
        assert descriptor == -1
