"""A signal that lies row after row, turned: each value is read once, nothing is left, and no disk is filled."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest

import dyn
from dyn.dynamics.errors import RecordingError
from dyn.dynamics.signals import pieces, stripes
from dyn.recorders.reading import turning
from dyn.recorders.reading.turning import Turned, turned

ROWS, N = 103, 12


class Rows:
    """An array in chunks of rows, which can be turned into a file in a folder, and counts how often a value is read."""

    def __init__(self, folder: Path, dtype: str = "f4"):
        self.values = np.random.default_rng(0).normal(size=(ROWS, N)).astype(dtype)
        self.shape, self.dtype, self.ndim, self.chunks = self.values.shape, self.values.dtype, 2, (10, N)
        self.times = np.zeros(self.shape, int)
        self._folder = folder

    def __getitem__(self, key):
        self.times[key] += 1
        return self.values[key].copy()

    def turned(self):
        return turned(self, self._folder)


@pytest.fixture(autouse=True)
def few_rows_at_once(monkeypatch):
    monkeypatch.setattr(turning, "pieces", lambda signal, **_: pieces(signal, most_bytes=10 * N * 8))


def columns_of(signal: Rows, most_bytes: int = ROWS * 8) -> np.ndarray:
    return np.concatenate([values for _, values in stripes(signal, most_bytes=most_bytes)], axis=1)


@pytest.mark.parametrize("dtype", ["f4", "f8", "i8"])
def test_many_stripes_read_every_value_once(tmp_path, dtype):
    signal = Rows(tmp_path, dtype)
    np.testing.assert_array_equal(columns_of(signal), signal.values)
    assert (signal.times == 1).all()
    assert list(tmp_path.iterdir()) == []


def test_a_few_stripes_are_not_worth_it(tmp_path):
    signal = Rows(tmp_path)
    signal.turned = pytest.fail
    np.testing.assert_array_equal(columns_of(signal, signal.values.nbytes - 1), signal.values)


def test_what_lies_feature_after_feature_stays_where_it_is(tmp_path):
    signal = Rows(tmp_path)
    signal.chunks = (ROWS, 1)
    signal.turned = pytest.fail
    np.testing.assert_array_equal(columns_of(signal), signal.values)


@pytest.mark.parametrize("free", [0, 2 * 4 * ROWS * N - 1])
def test_a_disk_is_not_filled(tmp_path, monkeypatch, free):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    signal = Rows(tmp_path)
    with turned(signal, tmp_path) as by_columns:
        assert by_columns is signal


def test_a_disk_that_becomes_full_meanwhile_gives_the_room_back(tmp_path, monkeypatch):
    monkeypatch.setattr(turning, "_write", Mock(side_effect=OSError(28, "no space left")))
    signal = Rows(tmp_path)
    with turned(signal, tmp_path) as by_columns:
        assert by_columns is signal


def test_a_folder_that_is_not_there_costs_nothing_but_time(tmp_path):
    signal = Rows(tmp_path / "gone")
    np.testing.assert_array_equal(columns_of(signal), signal.values)


def test_a_signal_that_cannot_be_read_says_so_when_it_is(tmp_path):
    with turned(Damaged(tmp_path), tmp_path) as by_columns, pytest.raises(RecordingError, match="damaged"):
        by_columns[:, :2]
    assert list(tmp_path.iterdir()) == []


class Damaged(Rows):
    """Rows of which none can be read."""

    def __getitem__(self, key):
        raise RecordingError("run.h5 is damaged")


def test_a_recording_is_turned_beside_its_file(regression, path, monkeypatch):
    with dyn.attach(regression.model, regression.optimizer, path) as recorder:
        regression.train(50, recorder)
    made = []
    monkeypatch.setattr(turning, "Turned", lambda *given: made.append(given) or Turned(*given))
    with dyn.open(path) as recording:
        D = recording.parameters["bias"]
        with D.turned() as by_columns:
            np.testing.assert_array_equal(by_columns[:, 1:3], D[:, 1:3])
    assert made
    assert [each.name for each in path.parent.iterdir()] == [path.name]
