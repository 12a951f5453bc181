"""What to do before a large recording is analysed."""

import pytest

import dyn
from dyn.recorders.rewriting import advice as module
from dyn.recorders.rewriting.advice import advice
from dyn.recorders.rewriting.compact import compact

ROWS, ROW_BYTES = 4000, 12


@pytest.fixture
def row_after_row(path, regression):
    """A recording with the dimensionality of three features, four bytes each."""
    with dyn.attach(regression.model, None, path) as recorder:
        for _ in range(ROWS - 1):
            recorder.step()
    return path


def test_what_is_read_a_few_times_needs_no_advice(row_after_row, monkeypatch):
    # Half of the room is that of one stripe; the other holds the next.
    monkeypatch.setattr(module, "MOST_BYTES", 2 * ROWS * ROW_BYTES // 8)
    with dyn.open(row_after_row) as recording:
        assert advice(recording) is None


def test_what_is_read_many_times_over_is_to_be_compacted(row_after_row, monkeypatch):
    monkeypatch.setattr(module, "MOST_BYTES", 2 * ROWS * ROW_BYTES // 9)
    with dyn.open(row_after_row) as recording:
        said = advice(recording)
    assert said is not None
    assert "48 kB of dimensionality row by row, which is read 10 times over" in said
    assert f"`dyn compact {row_after_row}`" in said


def test_what_was_compacted_needs_no_advice(row_after_row, monkeypatch):
    monkeypatch.setattr(module, "MOST_BYTES", 100)
    compact(row_after_row)
    with dyn.open(row_after_row) as recording:
        assert advice(recording) is None


def test_what_compacting_would_leave_in_rows_needs_no_advice(path, regression, monkeypatch):
    monkeypatch.setattr(module, "MOST_BYTES", 100)
    with dyn.attach(regression.model, None, path) as recorder:
        for _ in range(1000):
            recorder.step()
    with dyn.open(path) as recording:
        assert advice(recording) is None


def test_what_is_still_written_needs_no_advice(path, regression, monkeypatch):
    monkeypatch.setattr(module, "MOST_BYTES", 100)
    recorder = dyn.attach(regression.model, None, path)
    for _ in range(2000):
        recorder.step()
    with dyn.open(path) as recording:
        assert advice(recording) is None
    recorder.close()
